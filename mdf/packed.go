package mdf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zlib"
)

const (
	dzHeader  = 48      // bytes of a DZ block before its zlib stream
	maxPacked = 1 << 20 // bytes of records in one block
	fastest   = 1       // level of deflate
	zipTurned = 1       // zip type: transposed, then deflate
)

// perBlock is the number of records, of so many bytes each, in a full DZ block.
func perBlock(size int) int { return maxPacked / size }

// packer makes DZ blocks.
type packer struct {
	out     bytes.Buffer
	deflate *flate.Writer
	columns []byte
}

func newPacker() *packer {
	deflate, _ := flate.NewWriter(nil, fastest) // fails for levels that there are not
	return &packer{deflate: deflate}
}

// pack returns the DZ block, with its padding, of rows of 1 + size bytes; it
// is valid until the next call.
func (p *packer) pack(rows []byte, size int) ([]byte, error) {
	p.columns = grown(p.columns, len(rows)/(1+size)*size)
	toColumns(p.columns, rows, size)
	p.out.Reset()
	p.out.Write(make([]byte, dzHeader))
	if err := p.zip(p.columns); err != nil {
		return nil, err
	}
	length := p.out.Len()
	p.out.Write(make([]byte, -length&7))
	b := p.out.Bytes()
	copy(b, "##DZ")
	copy(b[8:], le(uint64(length), uint64(0), [2]byte{'D', 'T'}, uint8(zipTurned), uint8(0),
		uint32(size), uint64(len(p.columns)), uint64(length-dzHeader)))
	return b, nil
}

// zip appends a zlib stream (RFC 1950).
func (p *packer) zip(b []byte) error {
	p.out.Write([]byte{0x78, 0x01}) // deflate, window of 32 KiB, fastest
	p.deflate.Reset(&p.out)
	if _, err := p.deflate.Write(b); err != nil {
		return err
	}
	if err := p.deflate.Close(); err != nil {
		return err
	}
	p.out.Write(binary.BigEndian.AppendUint32(nil, adler32(b)))
	return nil
}

// unpacker reads DZ blocks of a file that may be anything.
type unpacker struct {
	p       *parser
	packed  []byte
	columns []byte
	zip     io.ReadCloser // nil before the first block
}

// unpack reads the block at an address into rows of 1 + size bytes, of which it
// leaves the first, and returns their bytes. It holds no more than a full block
// needs, whatever the block claims.
func (u *unpacker) unpack(rows []byte, at int64, size int) (int, error) {
	length, packed, err := u.head(at, size, uint64(len(rows)/(1+size)*size))
	if err != nil {
		return 0, err
	}
	if err := u.inflate(at+dzHeader, packed, length); err != nil {
		return 0, err
	}
	rows = rows[:length/size*(1+size)]
	toRows(rows, u.columns[:length], size)
	return len(rows), nil
}

// head reads what a DZ block says of itself: its bytes of records, at most so
// many, and the bytes they are packed into.
func (u *unpacker) head(at int64, size int, most uint64) (length, packed int, err error) {
	b, err := u.p.header(at, "DZ", 0)
	if err != nil {
		return 0, 0, err
	}
	head, err := u.p.bytes(at+24, dzHeader-24)
	if err != nil {
		return 0, 0, err
	}
	n, k := binary.LittleEndian.Uint64(head[8:]), binary.LittleEndian.Uint64(head[16:])
	if want := []byte{'D', 'T', zipTurned}; !bytes.Equal(head[:3], want) {
		return 0, 0, corrupt(at+24, "transposed records (DT, 1)", "%q", head[:3])
	}
	if columns := binary.LittleEndian.Uint32(head[4:]); columns != uint32(size) {
		return 0, 0, corrupt(at+28, fmt.Sprintf("%d columns", size), "%d", columns)
	}
	if n == 0 || n > most || n%uint64(size) != 0 {
		return 0, 0, corrupt(at+32, fmt.Sprintf("records of %d bytes, at most %d bytes of them", size, most), "%d", n)
	}
	if most := n + n/8 + 1024; k != uint64(b.length-dzHeader) || k > most {
		return 0, 0, corrupt(at+40, fmt.Sprintf("%d packed bytes, at most %d", b.length-dzHeader, most), "%d", k)
	}
	return int(n), int(k), nil
}

// inflate reads a zlib stream that has to hold length bytes exactly.
func (u *unpacker) inflate(at int64, packed, length int) error {
	u.packed, u.columns = grown(u.packed, packed), grown(u.columns, length+1)
	if k, err := u.p.r.ReadAt(u.packed, at); k < packed {
		if errors.Is(err, io.EOF) {
			return corrupt(at, fmt.Sprintf("%d bytes", packed), "%d", k)
		}
		return fmt.Errorf("read %d bytes at %d: %w", packed, at, err)
	}
	err := u.reset(bytes.NewReader(u.packed))
	n := 0
	if err == nil {
		n, err = io.ReadFull(u.zip, u.columns)
	}
	switch {
	case err == nil:
		return corrupt(at, fmt.Sprintf("a zlib stream of %d bytes", length), "more")
	case n != length || !errors.Is(err, io.ErrUnexpectedEOF): // the end, after the checksum
		return corrupt(at, fmt.Sprintf("a zlib stream of %d bytes", length), "%d, %v", n, err)
	}
	return nil
}

func (u *unpacker) reset(in *bytes.Reader) (err error) {
	if u.zip == nil {
		u.zip, err = zlib.NewReader(in)
		return err
	}
	return u.zip.(zlib.Resetter).Reset(in, nil)
}

// grown returns b with n bytes, a new one only if it has to be.
func grown(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}
