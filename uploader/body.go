package uploader

import (
	"crypto/sha256"
	"errors"
	"hash"
	"io"
)

// errDiffers is the end of a file that is not what was sealed.
var errDiffers = errors.New("the file differs from its seal record")

// body reads a file and compares it with its seal record on the way. The last
// bytes of a file that differs are not handed on, so that no store can take
// it for whole.
type body struct {
	file io.ReaderAt
	size int64
	want [sha256.Size]byte

	at     int64     // place of the next read
	hashed int64     // bytes in hash: from the start up to here
	hash   hash.Hash // nil before the first read
	read   int64     // bytes handed on, in all passes
	fault  error     // the first error of this file, or errDiffers
}

func newBody(file io.ReaderAt, size int64, want [sha256.Size]byte) *body {
	return &body{file: file, size: size, want: want, hash: sha256.New()}
}

func (b *body) Read(p []byte) (int, error) {
	if b.at >= b.size {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := b.file.ReadAt(p[:min(int64(len(p)), b.size-b.at)], b.at)
	if n == 0 {
		if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF // shorter than sealed
		}
		b.fault = err
		return 0, err
	}
	if b.at == b.hashed {
		b.hash.Write(p[:n])
		b.hashed += int64(n)
	}
	if b.hashed == b.size && b.at+int64(n) == b.size && [sha256.Size]byte(b.hash.Sum(nil)) != b.want {
		b.fault = errDiffers
		return 0, errDiffers
	}
	b.at += int64(n)
	b.read += int64(n)
	return n, nil
}

func (b *body) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += b.at
	case io.SeekEnd:
		offset += b.size
	}
	if offset < 0 {
		return 0, errors.New("seek before the start")
	}
	if offset == 0 {
		b.hash.Reset()
		b.hashed = 0
	}
	b.at = offset
	return offset, nil
}

// check reads the whole file and compares.
func (b *body) check() error { return b.through(io.Discard) }

// through reads the whole file into w and compares.
func (b *body) through(w io.Writer) error {
	if _, err := b.Seek(0, io.SeekStart); err != nil {
		return err
	}
	read := b.read
	_, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{b}, make([]byte, 64<<10))
	b.read = read
	return err
}
