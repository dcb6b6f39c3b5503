package container_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"canseal/internal/cost"
	"canseal/internal/samples"
	"canseal/mdf/container"
)

// head is what both kinds of containers begin with.
func head(kind byte) []byte {
	return append([]byte("Generic File\x00\x00"), kind, 1, 0xA1, 0xB2, 0xC3, 0xD4)
}

// sealed encrypts as the CANedge does, with the standard library's GCM.
func sealed(t testing.TB, plain []byte, password string) []byte {
	t.Helper()
	b := append(head(0x11), bytes.Repeat([]byte{7}, 12)...)
	b = binary.BigEndian.AppendUint32(b, 1000)
	b = append(b, bytes.Repeat([]byte{9}, 16)...)
	key, err := pbkdf2.Key(sha256.New, password, b[36:52], 1000, 32)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := aes.NewCipher(key)
	gcm, _ := cipher.NewGCM(block)
	return gcm.Seal(b[:52:52], b[20:32], plain, b[:52])
}

// squeezed compresses: literals, and references where bytes repeat.
func squeezed(plain []byte, window, lookahead int) []byte {
	b := append(head(0x22), 0, 0, 0, byte(lookahead))
	b = binary.BigEndian.AppendUint32(b, uint32(window))
	acc, have := uint64(0), 0
	put := func(v uint64, n int) {
		acc, have = acc<<n|v, have+n
		for ; have >= 8; have -= 8 {
			b = append(b, byte(acc>>(have-8)))
		}
	}
	bits := 0
	for 1<<bits < window {
		bits++
	}
	for i := 0; i < len(plain); {
		best, from := 0, 0
		for d := 1; d <= min(window, i, 64); d++ {
			n := 0
			for n < 1<<lookahead && i+n < len(plain) && plain[i+n] == plain[i+n-d] {
				n++
			}
			if n > best {
				best, from = n, d
			}
		}
		if best < 2 {
			put(1<<8|uint64(plain[i]), 9)
			i++
			continue
		}
		put(uint64(from-1)<<lookahead|uint64(best-1), 1+bits+lookahead)
		i += best
	}
	if have > 0 {
		put(0, 8-have)
	}
	return b
}

func content(t testing.TB, b []byte, password container.Password) []byte {
	t.Helper()
	c, err := container.Open(bytes.NewReader(b), int64(len(b)), password)
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size()))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func secret(string) (string, error) { return "open sesame", nil }

// noise is bytes that repeat now and then.
func noise(n int) []byte {
	r, b := rand.New(rand.NewPCG(1, 2)), make([]byte, n)
	for i := range b {
		if b[i] = byte(r.Uint32()); i > 40 && r.IntN(4) > 0 {
			b[i] = b[i-24]
		}
	}
	return b
}

func TestContentComesBack(t *testing.T) {
	for _, n := range []int{0, 1, 15, 16, 17, 31, 1000, 70_000, 600_001} {
		plain := noise(n)
		for name, b := range map[string][]byte{
			"none":         plain,
			"encrypted":    sealed(t, plain, "open sesame"),
			"compressed":   squeezed(plain, 1024, 4),
			"small window": squeezed(plain, 256, 4),
			"both":         sealed(t, squeezed(plain, 512, 4), "open sesame"),
		} {
			if got := content(t, b, secret); !bytes.Equal(got, plain) {
				t.Errorf("%s of %d bytes: %d bytes came back", name, n, len(got))
			}
		}
	}
}

func TestContentIsReadAtRandom(t *testing.T) {
	plain := noise(900_000)
	b := sealed(t, squeezed(plain, 1024, 4), "open sesame")
	c, err := container.Open(bytes.NewReader(b), int64(len(b)), secret)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		at, got := r.Int64N(c.Size()), make([]byte, 1+r.IntN(3000))
		n, err := c.ReadAt(got, at)
		if want := plain[at:min(len(plain), int(at)+len(got))]; !bytes.Equal(got[:n], want) {
			t.Fatalf("%d of %d bytes at %d differ, %v", n, len(want), at, err)
		}
		if (n < len(got)) != (err == io.EOF) {
			t.Fatalf("%d of %d bytes, %v", n, len(got), err)
		}
	}
}

func TestTheSampleComesOutAsTheOtherDecoderHasIt(t *testing.T) {
	b := samples.Read(t, "css-api-examples/mfc/5BC57FEC/00000001/00000005-643E503A.MFC")
	sum := sha256.Sum256(content(t, b, nil))
	if got := hex.EncodeToString(sum[:]); got != "9772f4d5aa66bf504837a292689549ec278b5c9e45613e943d72a12a98d57526" {
		t.Error(got)
	}
}

func TestNothingComesOutOfWhatIsNotAuthentic(t *testing.T) {
	good := sealed(t, noise(1000), "open sesame")
	wrong := func(string) (string, error) { return "open barley", nil }
	if _, err := container.Open(bytes.NewReader(good), int64(len(good)), wrong); !errors.Is(err, container.ErrPassword) {
		t.Errorf("wrong password: %v", err)
	}
	if _, err := container.Open(bytes.NewReader(good), int64(len(good)), nil); !errors.Is(err, container.ErrNoPassword) {
		t.Errorf("no password: %v", err)
	}
	for at := 12; at < len(good); at += 7 {
		b := bytes.Clone(good)
		b[at] ^= 0x10
		if at >= 32 && at < 36 { // iterations: an hour of work, or none
			b[32] = 0xFF
		}
		if c, err := container.Open(bytes.NewReader(b), int64(len(b)), secret); err == nil {
			t.Fatalf("byte %d changed: %d bytes came out", at, c.Size())
		}
	}
}

func TestThePasswordIsAskedForByDevice(t *testing.T) {
	b := sealed(t, []byte("x"), "open sesame")
	asked := ""
	content(t, b, func(device string) (string, error) { asked = device; return "open sesame", nil })
	if asked != "A1B2C3D4" {
		t.Error(asked)
	}
}

func FuzzOpen(f *testing.F) {
	plain := noise(300)
	f.Add(squeezed(plain, 1024, 4))
	f.Add(squeezed(plain, 256, 4))
	f.Add(sealed(f, plain, "open sesame"))
	f.Add(sealed(f, squeezed(plain, 512, 4), "open sesame"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 36 && b[14] == 0x11 {
			b[32], b[33], b[34] = 0, 0, 0 // few iterations
		}
		var c *container.Content
		var err error
		// A note of 4 KiB and more for each page of 256 KiB; the input is read in pieces.
		cost.Hold(t, 2<<20+300*int64(len(b))/16, func() { c, err = container.Open(bytes.NewReader(b), int64(len(b)), secret) })
		if err != nil {
			return
		}
		if c.Size() > 300*int64(len(b))+1024 {
			t.Fatalf("%d bytes of %d", c.Size(), len(b))
		}
		first, second := content(t, b, secret), make([]byte, min(100, c.Size()))
		if _, err := c.ReadAt(second, c.Size()-int64(len(second))); err != nil && err != io.EOF {
			t.Fatal(err)
		}
		if !bytes.Equal(second, first[len(first)-len(second):]) {
			t.Fatal("another end at the second reading")
		}
	})
}

func BenchmarkHeatshrink(b *testing.B) {
	file := samples.Read(b, "css-api-examples/mfc/5BC57FEC/00000001/00000005-643E503A.MFC")
	b.SetBytes(2_147_055)
	for b.Loop() {
		if _, err := container.Open(bytes.NewReader(file), int64(len(file)), nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTag(b *testing.B) {
	file := sealed(b, noise(1<<22), "open sesame")
	b.SetBytes(int64(len(file)))
	for b.Loop() {
		if _, err := container.Open(bytes.NewReader(file), int64(len(file)), secret); err != nil {
			b.Fatal(err)
		}
	}
}
