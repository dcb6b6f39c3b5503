package parquet

import (
	"bytes"
	"fmt"

	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/metadata"
	"github.com/apache/arrow/go/v17/parquet/schema"
)

// A file ends with facts about each chunk of each column, which are kept until
// then. As objects of the library they take more than a kilobyte for each chunk,
// and another for each column of an open file; packed, as they will stand in the
// file, about a tenth of that.

// Pack packs what is known about the row groups so far. It costs time at the
// next Write and at the end, and changes nothing of the file.
func (p *Writer) Pack() error {
	if p.err != nil || p.facts == nil {
		return p.err
	}
	facts, err := p.facts.Finish()
	if err != nil {
		p.err = err
		return err
	}
	if p.facts = nil; len(facts.RowGroups) == 0 {
		return nil
	}
	var b bytes.Buffer
	if _, err := facts.WriteTo(&b, nil); err != nil {
		p.err = err
		return err
	}
	p.packed = append(p.packed, bytes.Clone(b.Bytes()))
	return nil
}

// Packed returns how many bytes packed facts take.
func (p *Writer) Packed() (n int) {
	for _, b := range p.packed {
		n += len(b)
	}
	return n
}

// unpack makes ready for another row group.
func (p *Writer) unpack() error {
	if p.facts != nil {
		return nil
	}
	root, err := nodes(p.columns)
	if err != nil {
		return err
	}
	p.facts = metadata.NewFileMetadataBuilder(schema.NewSchema(root), parquet.NewWriterProperties(properties(p.columns)...), nil)
	return nil
}

// all puts the facts together, and those about the file as a whole.
func (p *Writer) all() (*metadata.FileMetaData, error) {
	all, err := p.groupFacts()
	if err != nil {
		return nil, err
	}
	pairs, err := facts(p.schema)
	all.FileMetaData.KeyValueMetadata = pairs
	return all, err
}

// groupFacts are the facts about all row groups.
func (p *Writer) groupFacts() (*metadata.FileMetaData, error) {
	if len(p.packed) == 0 {
		if err := p.unpack(); err != nil {
			return nil, err
		}
		return p.facts.Finish()
	}
	if err := p.Pack(); err != nil {
		return nil, err
	}
	first, err := metadata.NewFileMetaData(p.packed[0], nil)
	if err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	for _, b := range p.packed[1:] {
		next, err := metadata.NewFileMetaData(b, nil)
		if err == nil {
			err = first.AppendRowGroups(next)
		}
		if err != nil {
			return nil, fmt.Errorf("unpack: %w", err)
		}
	}
	return first, nil
}
