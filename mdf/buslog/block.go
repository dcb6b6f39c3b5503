package buslog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"canseal/mdf"
)

// Bounds for what a file may claim of itself.
const (
	maxText   = 1 << 20  // bytes of a TX or MD block
	maxBlocks = 1 << 17  // blocks of metadata read
	maxMeta   = 64 << 20 // bytes of them
	maxGroups = 4096     // channel groups
	maxParts  = 1024     // channels of a group that make up a frame
	maxRecord = 1 << 15  // bytes of a record
	headSize  = 24
	idSize    = 64
)

// source reads blocks of a file that may be anything.
type source struct {
	r      io.ReaderAt
	size   int64
	blocks int   // of metadata, read so far
	meta   int64 // bytes of them
}

// block is a block as read.
type block struct {
	at, length int64
	kind       string
	links      []int64
	data       []byte
}

func corrupt(at int64, want, format string, args ...any) error {
	return &mdf.CorruptError{Offset: at, Want: want, Got: fmt.Sprintf(format, args...)}
}

// read fills b from an address.
func (s *source) read(b []byte, at int64) error {
	if at < 0 || at > s.size-int64(len(b)) {
		return corrupt(at, fmt.Sprintf("%d bytes", len(b)), "the end of the file at %d", s.size)
	}
	n, err := s.r.ReadAt(b, at)
	if n == len(b) {
		return nil
	}
	if errors.Is(err, io.EOF) {
		return corrupt(at, fmt.Sprintf("%d bytes", len(b)), "%d", n)
	}
	return fmt.Errorf("read %d bytes at %d: %w", len(b), at, err)
}

// head reads the 24 bytes that a block begins with: kind, length, links.
func (s *source) head(at int64) (kind string, length int64, links uint64, err error) {
	if at < idSize {
		return "", 0, 0, corrupt(at, "an address of a block", "%d", at)
	}
	var b [headSize]byte
	if err := s.read(b[:], at); err != nil {
		return "", 0, 0, err
	}
	if b[0] != '#' || b[1] != '#' {
		return "", 0, 0, corrupt(at, "a block", "%q", b[:4])
	}
	length, links = int64(binary.LittleEndian.Uint64(b[8:])), binary.LittleEndian.Uint64(b[16:])
	if length < headSize || links > uint64(length-headSize)/8 {
		return "", 0, 0, corrupt(at, "a block with room for its links", "%d links in %d bytes", links, length)
	}
	return string(b[2:4]), length, links, nil
}

// block reads a block of metadata of one of the kinds, with at least so many
// links and bytes of data.
func (s *source) block(at int64, kinds string, links, data int) (*block, error) {
	if s.blocks++; s.blocks > maxBlocks {
		return nil, corrupt(at, fmt.Sprintf("at most %d blocks of metadata", maxBlocks), "more")
	}
	kind, length, n, err := s.head(at)
	if err != nil {
		return nil, err
	}
	if !strings.Contains(kinds, kind) {
		return nil, corrupt(at, "a block "+kinds, "%q", kind)
	}
	if n < uint64(links) || n > maxRecord || length > maxText || length < headSize+8*int64(n)+int64(data) {
		return nil, corrupt(at, fmt.Sprintf("%d links and %d bytes", links, data), "%d links in %d bytes", n, length)
	}
	if s.meta += length; s.meta > maxMeta {
		return nil, corrupt(at, fmt.Sprintf("at most %d bytes of metadata", maxMeta), "more")
	}
	body := make([]byte, length-headSize)
	if err := s.read(body, at+headSize); err != nil {
		return nil, err
	}
	b := &block{at: at, length: length, kind: kind, links: make([]int64, n), data: body[8*n:]}
	for i := range b.links {
		b.links[i] = int64(binary.LittleEndian.Uint64(body[8*i:]))
	}
	return b, nil
}

// text reads a TX or MD block; empty if there is none, or none that can be read.
func (s *source) text(at int64) string {
	if at == 0 {
		return ""
	}
	b, err := s.block(at, "TX MD", 0, 0)
	if err != nil {
		return ""
	}
	text, _, _ := strings.Cut(string(b.data), "\x00")
	return strings.ToValidUTF8(text, "\uFFFD")
}

func (b *block) u8(at int) uint8   { return b.data[at] }
func (b *block) u16(at int) uint16 { return binary.LittleEndian.Uint16(b.data[at:]) }
func (b *block) u32(at int) uint32 { return binary.LittleEndian.Uint32(b.data[at:]) }
func (b *block) u64(at int) uint64 { return binary.LittleEndian.Uint64(b.data[at:]) }
