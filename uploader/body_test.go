package uploader

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

func TestBodyGivesTheFileOrAnError(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789"), 1000)
	sum := sha256.Sum256(data)
	if err := iotest.TestReader(struct{ io.ReadSeeker }{newBody(bytes.NewReader(data), int64(len(data)), sum)}, data); err != nil {
		t.Error(err)
	}
	altered := bytes.Clone(data)
	altered[5000] ^= 1
	for name, row := range map[string]struct {
		file []byte
		read int // bytes that a reader gets
		want error
	}{
		"whole": {data, len(data), nil}, "altered": {altered, len(data), errDiffers},
		"cut": {data[:4000], 4000, io.ErrUnexpectedEOF}, "empty": {nil, 0, io.ErrUnexpectedEOF},
	} {
		b := newBody(bytes.NewReader(row.file), int64(len(data)), sum)
		got, err := io.ReadAll(b)
		if len(got) != row.read || (err == nil) != (row.read == len(data)) || (b.fault == nil) != (err == nil) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
		if err := b.check(); !errors.Is(err, row.want) {
			t.Errorf("%s: the check says %v, want %v", name, err, row.want)
		}
	}
}

func BenchmarkBody(b *testing.B) {
	data := make([]byte, 8<<20)
	sum := sha256.Sum256(data)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if err := newBody(bytes.NewReader(data), int64(len(data)), sum).check(); err != nil {
			b.Fatal(err)
		}
	}
}
