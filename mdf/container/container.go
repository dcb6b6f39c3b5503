package container

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Bounds for what a container may claim.
const (
	headSize      = 20
	maxIterations = 1 << 22 // of PBKDF2: some seconds
	maxDepth      = 2       // compressed inside encrypted
)

const magic = "Generic File"

const (
	encrypted  = 0x11
	compressed = 0x22
)

var (
	// ErrPassword: the content is encrypted and the password is not the right
	// one, or the file was changed. Which of them nobody can tell.
	ErrPassword = errors.New("wrong password, or a damaged file")
	// ErrNoPassword: the content is encrypted and there is no password.
	ErrNoPassword = errors.New("the file is encrypted, and no password was given")
)

// Password returns the password for a device, 8 upper-case hex digits.
type Password func(device string) (string, error)

// Content is what a container holds. One goroutine uses it.
type Content struct {
	io.ReaderAt
	size  int64
	Forms []string // from the outside: "encrypted", "heatshrink"; empty: there is no container
}

// Size is the bytes of the content.
func (c *Content) Size() int64 { return c.size }

// Open opens the containers around a log; a file that is none is its own
// content. password may be nil: then an encrypted one is refused.
func Open(r io.ReaderAt, size int64, password Password) (*Content, error) {
	c := &Content{ReaderAt: r, size: size}
	for {
		head := make([]byte, headSize)
		if n, err := c.ReadAt(head, 0); n < headSize || string(head[:len(magic)]) != magic {
			if n < headSize && err != nil && !errors.Is(err, io.EOF) {
				return nil, err
			}
			return c, nil
		}
		if len(c.Forms) == maxDepth {
			return nil, fmt.Errorf("container within container within container")
		}
		if err := c.enter(head, password); err != nil {
			return nil, fmt.Errorf("open %s: %w", strings.Join(append(c.Forms, "container"), " in "), err)
		}
	}
}

// enter goes one container inside.
func (c *Content) enter(head []byte, password Password) (err error) {
	switch {
	case head[14] == compressed:
		c.Forms = append(c.Forms, "heatshrink")
		c.ReaderAt, c.size, err = expand(c.ReaderAt, c.size)
	case head[14] == encrypted && len(c.Forms) == 0:
		if password == nil {
			return ErrNoPassword
		}
		c.Forms = append(c.Forms, "encrypted")
		device := strings.ToUpper(fmt.Sprintf("%08x", binary.BigEndian.Uint32(head[16:])))
		c.ReaderAt, c.size, err = decrypt(c.ReaderAt, c.size, func() (string, error) { return password(device) })
	default:
		err = fmt.Errorf("at byte 14: want 0x11 or 0x22, got %#x", head[14])
	}
	return err
}

// Is tells whether b begins like a container.
func Is(b []byte) bool { return bytes.HasPrefix(b, []byte(magic)) }
