package cancrypt

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
)

// R3: whatever holds a key, no way of printing it gives the key away.
func TestR3NothingThatHoldsAKeyPrintsIt(t *testing.T) {
	key := fixed[Key]("a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3")
	b := grouped(t, func(o *JudgeOptions) { o.Key = key })
	m, err := NewMember(memberOptions(b.o, 1, rand.New(rand.NewPCG(1, 2))))
	if err != nil {
		t.Fatal(err)
	}
	s := suite(t, PadSpeck, SpeckMAC)
	s.SealHeartbeat(&Epoch{Perm: key}, 1, 0, [3]byte{})
	var out bytes.Buffer
	for _, v := range []any{b.j, b.o, m, m.o, s, *s, newSlots(t, map[uint8]Key{3: key}), struct{ S []*Suite }{[]*Suite{s}}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%d", "%q"} {
			fmt.Fprintf(&out, verb+" ", v)
		}
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v)
		json.NewEncoder(&out).Encode(v) // functions do not encode
	}
	for _, leak := range []string{"a3a3", "A3A3", "163 163", "163,163", "0xa3, 0xa3", "o6Oj"} {
		if i := strings.Index(out.String(), leak); i >= 0 {
			t.Errorf("%q stands in %.200s", leak, out.String()[max(0, i-100):])
		}
	}
}
