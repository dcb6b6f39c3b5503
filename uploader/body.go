package uploader

import (
	"crypto/sha256"
	"errors"
	"io"
)

// errDiffers is the end of a file that is not what was sealed.
var errDiffers = errors.New("the file differs from its seal record")

// body reads a file for the store. It does not hash on the way: the SHA-256 of
// the seal record travels with the bytes, and a store that gets others refuses
// them. Only then, and where a store compares nothing, the file is checked.
type body struct {
	file io.ReaderAt
	size int64
	want [sha256.Size]byte

	at    int64 // place of the next read
	read  int64 // bytes handed on, in all passes
	fault error // the first error of this file
}

func newBody(file io.ReaderAt, size int64, want [sha256.Size]byte) *body {
	return &body{file: file, size: size, want: want}
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.readAt(p, b.at, b.size)
	b.at += int64(n)
	b.read += int64(n)
	return n, err
}

// readAt reads at a place before end. A file that ends before is shorter than
// it was sealed.
func (b *body) readAt(p []byte, at, end int64) (int, error) {
	if at >= end {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := b.file.ReadAt(p[:min(int64(len(p)), end-at)], at)
	if n > 0 {
		return n, nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	b.fault = err
	return 0, err
}

func (b *body) Seek(offset int64, whence int) (int64, error) {
	at, err := seek(offset, whence, b.at, b.size)
	if err == nil {
		b.at = at
	}
	return at, err
}

func seek(offset int64, whence int, at, size int64) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += at
	case io.SeekEnd:
		offset += size
	}
	if offset < 0 {
		return 0, errors.New("seek before the start")
	}
	return offset, nil
}

// check reads the whole file and compares.
func (b *body) check() error { return b.through(io.Discard) }

// through reads the whole file into w and compares.
func (b *body) through(w io.Writer) error {
	sum, buf := sha256.New(), make([]byte, 64<<10)
	for at := int64(0); at < b.size; {
		n, err := b.readAt(buf, at, b.size)
		if err != nil {
			return err
		}
		sum.Write(buf[:n])
		if _, err := w.Write(buf[:n]); err != nil {
			return err
		}
		at += int64(n)
	}
	if [sha256.Size]byte(sum.Sum(nil)) != b.want {
		return errDiffers
	}
	return nil
}
