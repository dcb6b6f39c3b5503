package container

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
)

const (
	packedAt     = 28 // of the bit stream
	minWindow    = 1 << 4
	maxWindow    = 1 << 12 // the CANedge has 256, 512 and 1024
	minLookahead = 3
	maxLookahead = 8       // the CANedge has 4
	maxExpanded  = 4 << 30 // bytes of content; a file of the CANedge has at most 512 MiB

	pageSize = 256 << 10 // bytes of content decoded at once
	maxPages = 16        // that are held
)

// expanded is the content of a compressed container, read at random, a page at
// a time. At the begin of each page the state of the decoder was noted.
type expanded struct {
	r     io.ReaderAt
	end   int64 // of r
	size  int64 // of the content
	d     decoder
	notes []note
	pages []page // the one used last at the end
}

// note is the state of a decoder.
type note struct {
	bit            int64 // of the next one, from the start of the file
	left, distance int
	window         []byte
}

type page struct {
	index int64
	data  []byte
}

// expand reads a compressed container once to its end, to know how long its
// content is and to take notes, and returns the content.
func expand(r io.ReaderAt, size int64) (io.ReaderAt, int64, error) {
	head := make([]byte, packedAt)
	if _, err := io.ReadFull(io.NewSectionReader(r, 0, size), head); err != nil {
		return nil, 0, fmt.Errorf("read the head of 28 bytes: %w", err)
	}
	lookahead, window := binary.BigEndian.Uint32(head[20:]), binary.BigEndian.Uint32(head[24:])
	if lookahead < minLookahead || lookahead > maxLookahead {
		return nil, 0, fmt.Errorf("at byte 20: want %d to %d lookahead bits, got %d", minLookahead, maxLookahead, lookahead)
	}
	if bits.OnesCount32(window) != 1 || window < minWindow || window > maxWindow {
		return nil, 0, fmt.Errorf("at byte 24: want a window of %d to %d bytes, a power of two, got %d", minWindow, maxWindow, window)
	}
	x := &expanded{r: r, end: size}
	x.d = decoder{window: make([]byte, window), indexBits: uint(bits.TrailingZeros32(window)), countBits: uint(lookahead)}
	x.d.in.open(r, 8*packedAt, size)
	err := x.measure()
	return x, x.size, err
}

// measure decodes everything.
func (x *expanded) measure() error {
	data := make([]byte, pageSize)
	for {
		x.notes = append(x.notes, x.d.note())
		n, err := x.d.decode(data)
		x.size += int64(n)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case x.size > maxExpanded:
			return fmt.Errorf("want at most %d bytes of content, got more", int64(maxExpanded))
		}
	}
}

// ReadAt reads content.
func (x *expanded) ReadAt(b []byte, at int64) (n int, err error) {
	for n < len(b) {
		if at < 0 || at >= x.size {
			return n, io.EOF
		}
		data, err := x.page(at / pageSize)
		if err != nil {
			return n, err
		}
		k := copy(b[n:], data[at%pageSize:])
		n, at = n+k, at+int64(k)
	}
	return n, nil
}

// page returns a page, decoded if it is not held.
func (x *expanded) page(index int64) ([]byte, error) {
	for i, p := range x.pages {
		if p.index == index {
			copy(x.pages[i:], x.pages[i+1:])
			x.pages[len(x.pages)-1] = p
			return p.data, nil
		}
	}
	p := page{index: index}
	if len(x.pages) == maxPages {
		p.data = x.pages[0].data
		x.pages = append(x.pages[:0], x.pages[1:]...)
	}
	if p.data == nil {
		p.data = make([]byte, pageSize)
	}
	p.data = p.data[:min(pageSize, x.size-index*pageSize)]
	x.d.restore(x.notes[index], x.r, x.end)
	if n, err := x.d.decode(p.data); n < len(p.data) {
		return nil, fmt.Errorf("decode page %d: %w", index, err)
	}
	x.pages = append(x.pages, p)
	return p.data, nil
}

// decoder expands a bit stream.
type decoder struct {
	in        bitReader
	window    []byte // the last bytes; that of position i stands at i modulo its length
	indexBits uint
	countBits uint
	pos       int
	left      int // bytes that a reference still gives
	distance  int // from where it takes them
}

// note returns the state, at a position that is a multiple of the window.
func (d *decoder) note() note {
	return note{d.in.bit(), d.left, d.distance, append([]byte(nil), d.window...)}
}

func (d *decoder) restore(n note, r io.ReaderAt, end int64) {
	d.in.open(r, n.bit, end)
	d.pos, d.left, d.distance = 0, n.left, n.distance
	copy(d.window, n.window)
}

// decode fills out; io.EOF with less means the end of the stream. Up to seven
// bits of padding stand behind the last token.
func (d *decoder) decode(out []byte) (n int, err error) {
	mask := len(d.window) - 1
	for n < len(out) {
		if d.left > 0 {
			b := d.window[(d.pos-d.distance)&mask]
			out[n], d.window[d.pos&mask] = b, b
			n, d.pos, d.left = n+1, d.pos+1, d.left-1
			continue
		}
		if d.in.have < 32 {
			if err := d.in.fill(); err != nil {
				return n, err
			}
		}
		need := 9 // a tag and a literal
		literal := d.in.acc>>63 == 1
		if !literal {
			need = int(1 + d.indexBits + d.countBits)
		}
		if d.in.have < need {
			return n, io.EOF
		}
		token := d.in.acc << 1
		if d.in.acc, d.in.have = d.in.acc<<need, d.in.have-need; literal {
			b := byte(token >> 56)
			out[n], d.window[d.pos&mask] = b, b
			n, d.pos = n+1, d.pos+1
			continue
		}
		d.distance = int(token>>(64-d.indexBits)) + 1
		d.left = int(token<<d.indexBits>>(64-d.countBits)) + 1
	}
	return n, nil
}

// bitReader takes bits of a file, the most significant of a byte first.
type bitReader struct {
	r       io.ReaderAt
	at, end int64  // of the bytes behind buf
	buf     []byte // read, and not in acc yet
	room    [4096]byte
	acc     uint64 // the next bits, from the top
	have    int    // of acc
}

// open goes to a bit of a file that ends at a byte.
func (in *bitReader) open(r io.ReaderAt, bit, end int64) {
	in.r, in.at, in.end, in.buf, in.acc, in.have = r, bit/8, end, nil, 0, 0
	if skip := int(bit % 8); skip > 0 && in.fill() == nil {
		in.acc, in.have = in.acc<<skip, in.have-skip
	}
}

// bit is the position of the next one.
func (in *bitReader) bit() int64 { return 8*(in.at-int64(len(in.buf))) - int64(in.have) }

// fill puts whole bytes into acc while there is room, and there are any.
func (in *bitReader) fill() error {
	for in.have <= 56 {
		if len(in.buf) == 0 {
			if in.at >= in.end {
				return nil
			}
			want := min(int64(len(in.room)), in.end-in.at)
			n, err := in.r.ReadAt(in.room[:want], in.at)
			if n == 0 {
				return fmt.Errorf("read at %d: %w", in.at, err)
			}
			in.at, in.buf = in.at+int64(n), in.room[:n]
		}
		in.acc |= uint64(in.buf[0]) << (56 - in.have)
		in.have, in.buf = in.have+8, in.buf[1:]
	}
	return nil
}
