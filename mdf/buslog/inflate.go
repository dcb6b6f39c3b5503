package buslog

import (
	"bytes"
	"fmt"
	"io"

	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// The zip type of a DZ block is twice one of these, and one more if its bytes
// stand in columns. MDF 4.1 has the first, MDF 4.3 all.
const (
	zipDeflate = iota
	zipZstd
	zipLZ4
	lastZip = 2*zipLZ4 + 1
)

// inflater reads packed streams.
type inflater struct {
	packed, columns []byte

	deflate io.ReadCloser // nil before the first
	zstd    *zstd.Decoder
	lz4     *lz4.Reader
}

// inflate reads a packed stream of k bytes that holds len(b).
func (z *inflater) inflate(kind uint8, b []byte, s *source, at int64, k int) error {
	z.packed = grown(z.packed, k)
	if err := s.read(z.packed, at); err != nil {
		return err
	}
	stream, err := z.open(kind, bytes.NewReader(z.packed))
	if err != nil {
		return corrupt(at, "a packed stream", "%v", err)
	}
	if _, err := io.ReadFull(stream, b); err != nil {
		return corrupt(at, fmt.Sprintf("a packed stream of %d bytes", len(b)), "%v", err)
	}
	var more [1]byte
	if k, err := stream.Read(more[:]); k != 0 || err != io.EOF { // the checksum stands behind the last byte
		return corrupt(at, fmt.Sprintf("a packed stream of %d bytes and its checksum", len(b)), "%d more, %v", k, err)
	}
	return nil
}

// open begins a stream, with what was left of the one before.
func (z *inflater) open(kind uint8, in *bytes.Reader) (stream io.Reader, err error) {
	switch kind {
	case zipZstd:
		if z.zstd == nil {
			z.zstd, err = zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxInflated))
			return z.zstd, err
		}
		return z.zstd, z.zstd.Reset(in)
	case zipLZ4:
		if z.lz4 == nil {
			z.lz4 = lz4.NewReader(in)
		}
		z.lz4.Reset(in)
		return z.lz4, nil
	}
	if z.deflate == nil {
		z.deflate, err = zlib.NewReader(in)
		return z.deflate, err
	}
	return z.deflate, z.deflate.(zlib.Resetter).Reset(in, nil)
}

// turned is inflate for a transposed block.
func (z *inflater) turned(kind uint8, b []byte, s *source, at int64, k, width int) error {
	z.columns = grown(z.columns, len(b))
	if err := z.inflate(kind, z.columns, s, at, k); err != nil {
		return err
	}
	transpose(b, z.columns, width)
	return nil
}
