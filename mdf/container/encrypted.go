package container

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"io"
)

const (
	secretAt = 52 // of the ciphertext
	tagSize  = 16
	// maxSecret bounds the ciphertext: GCM's counter has 32 bits.
	maxSecret = 1<<32*16 - 64
)

// decrypt checks the tag of the whole file and returns its plaintext, which is
// made where it is read.
func decrypt(r io.ReaderAt, size int64, password func() (string, error)) (io.ReaderAt, int64, error) {
	head := make([]byte, secretAt)
	if _, err := io.ReadFull(io.NewSectionReader(r, 0, size), head); err != nil {
		return nil, 0, fmt.Errorf("read the head of 52 bytes: %w", err)
	}
	n := size - secretAt - tagSize
	if n < 0 || n > maxSecret {
		return nil, 0, fmt.Errorf("want 0 to %d bytes of ciphertext and a tag, got %d bytes", int64(maxSecret), size-secretAt)
	}
	iterations := binary.BigEndian.Uint32(head[32:])
	if iterations == 0 || iterations > maxIterations {
		return nil, 0, fmt.Errorf("at byte 32: want 1 to %d iterations, got %d", maxIterations, iterations)
	}
	word, err := password()
	if err != nil {
		return nil, 0, err
	}
	key, err := pbkdf2.Key(sha256.New, word, head[36:52], int(iterations), 32)
	if err != nil {
		return nil, 0, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, 0, err
	}
	p := &plaintext{r: r, n: n, block: block, iv: [12]byte(head[20:])}
	return p, n, p.check(head)
}

// plaintext is the content of an encrypted container.
type plaintext struct {
	r     io.ReaderAt
	n     int64
	block cipher.Block
	iv    [12]byte
}

// check compares the tag (NIST SP 800-38D, 7.2).
func (p *plaintext) check(head []byte) error {
	sum := newGHash(p.block)
	sum.write(head)
	sum.pad()
	buf := make([]byte, 1<<16)
	for at := int64(0); at < p.n; {
		b := buf[:min(int64(len(buf)), p.n-at)]
		if _, err := io.ReadFull(io.NewSectionReader(p.r, secretAt+at, int64(len(b))), b); err != nil {
			return fmt.Errorf("read at %d: %w", secretAt+at, err)
		}
		sum.write(b)
		at += int64(len(b))
	}
	var tag, want [tagSize]byte
	if n, err := p.r.ReadAt(tag[:], secretAt+p.n); n < tagSize {
		return fmt.Errorf("read the tag: %w", err)
	}
	sum.sum(want[:], uint64(len(head)), uint64(p.n))
	p.stream(1, want[:])
	if subtle.ConstantTimeCompare(tag[:], want[:]) != 1 {
		return ErrPassword
	}
	return nil
}

// stream applies the key stream from a value of the counter on.
func (p *plaintext) stream(counter uint32, b []byte) {
	var start [16]byte
	copy(start[:], p.iv[:])
	binary.BigEndian.PutUint32(start[12:], counter)
	cipher.NewCTR(p.block, start[:]).XORKeyStream(b, b)
}

// ReadAt decrypts. The counter of the first block is 2.
func (p *plaintext) ReadAt(b []byte, at int64) (int, error) {
	if at < 0 || at >= p.n {
		return 0, io.EOF
	}
	whole := b[:min(int64(len(b)), p.n-at)]
	n, err := p.r.ReadAt(whole, secretAt+at)
	before := int(at % 16) // the key stream begins with the block
	if before > 0 {
		var first [16]byte
		k := copy(first[before:], whole[:n])
		p.stream(uint32(2+at/16), first[:])
		copy(whole[:n], first[before:before+k])
		p.stream(uint32(2+at/16+1), whole[k:n])
	} else {
		p.stream(uint32(2+at/16), whole[:n])
	}
	if n < len(b) && err == nil {
		err = io.EOF
	}
	if n == len(b) {
		err = nil
	}
	return n, err
}
