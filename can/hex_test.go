package can

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
)

func TestHexDigitsAgreeWithTheLibrary(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		v := r.Uint32() >> r.UintN(32)
		text := fmt.Sprintf("%08X", v)
		if got := string(binary.BigEndian.AppendUint64(nil, hex(v))); got != text {
			t.Fatalf("%s, want %s", got, text)
		}
		if got, bad := unhex(binary.BigEndian.Uint64([]byte(text))); bad != 0 || got != v {
			t.Fatalf("%s read as %x, %v", text, got, bad == 0)
		}
	}
}

func TestDecimalDigitsAgreeWithTheLibrary(t *testing.T) {
	for v := uint32(0); v < 1e8; v += 1 + v/5000 {
		text := fmt.Sprintf("%08d", v)
		if got := string(binary.LittleEndian.AppendUint64(nil, decimal(v))); got != text {
			t.Fatalf("%s, want %s", got, text)
		}
		if got, bad := undecimal(binary.LittleEndian.Uint64([]byte(text))); bad != 0 || got != v {
			t.Fatalf("%s read as %d, %v", text, got, bad == 0)
		}
	}
}

func TestEveryOtherByteInEveryPlaceIsRefused(t *testing.T) {
	for place := range 8 {
		for c := range 256 {
			for _, rest := range []string{"00000000", "99999999", "FFFFFFFF", "aaaaaaaa", "12345678"} {
				text := []byte(rest)
				text[place] = byte(c)
				want, err := strconv.ParseUint(string(text), 16, 32)
				got, bad := unhex(binary.BigEndian.Uint64(text))
				if (bad == 0) != (err == nil) || bad == 0 && uint64(got) != want {
					t.Fatalf("hexadecimal %q: %x, %v", text, got, bad == 0)
				}
				want, err = strconv.ParseUint(string(text), 10, 32)
				got, bad = undecimal(binary.LittleEndian.Uint64(text))
				if (bad == 0) != (err == nil) || bad == 0 && uint64(got) != want {
					t.Fatalf("decimal %q: %d, %v", text, got, bad == 0)
				}
			}
		}
	}
}
