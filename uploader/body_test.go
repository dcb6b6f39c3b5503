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
	for name, file := range map[string][]byte{"altered": altered, "cut": data[:4000], "empty": nil} {
		b := newBody(bytes.NewReader(file), int64(len(data)), sum)
		got, err := io.ReadAll(b)
		if err == nil || len(got) >= len(data) || b.fault == nil {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
		if again := b.check(); again == nil {
			t.Errorf("%s: the second read found nothing", name)
		}
	}
}

func TestBodyReadTwiceIsCheckedTwice(t *testing.T) {
	data := []byte("sealed")
	b := newBody(bytes.NewReader(data), int64(len(data)), sha256.Sum256([]byte("others")))
	for range 2 {
		b.Seek(0, io.SeekStart)
		if _, err := io.ReadAll(b); !errors.Is(err, errDiffers) {
			t.Errorf("error %v", err)
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
