package node

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"filippo.io/age"

	"canseal/cancrypt"
	"canseal/internal/durable/memfs"
)

const (
	keyA = "000102030405060708090a0b0c0d0e0f"
	keyB = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"
)

var aKey = cancrypt.Key{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}

// The judge of recorded logs takes each form in which keys are kept, and puts
// none of them into the store.
func TestKeyFilesOfEachForm(t *testing.T) {
	fsys := memfs.New()
	s := Store{State: fsys}
	recipient, _, err := s.Init()
	if err != nil {
		t.Fatal(err)
	}
	provisioning := `{"version":1,"keys":[{"slot":3,"key":"` + keyA + `"}]}`
	seal := func(to age.Recipient) string {
		var b bytes.Buffer
		w, err := age.Encrypt(&b, to)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(w, provisioning)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	box, err := age.ParseX25519Recipient(recipient)
	if err != nil {
		t.Fatal(err)
	}
	phrase, err := age.NewScryptRecipient("a phrase")
	if err != nil {
		t.Fatal(err)
	}
	phrase.SetWorkFactor(10)
	for name, c := range map[string]struct{ file, passphrase string }{
		"not encrypted":   {provisioning, ""},
		"for this box":    {seal(box), ""},
		"with a phrase":   {seal(phrase), "a phrase"},
		"file of a store": {`{"v":1,"keys":[{"slot":3,"from":"paired","at":"2026-01-01T00:00:00Z","key":"` + keyA + `"}]}`, ""},
	} {
		keys, err := s.KeyFile(strings.NewReader(c.file), c.passphrase)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if k, ok := keys.Key("can0", 3); !ok || k != aKey {
			t.Errorf("%s: %v", name, ok)
		}
		if _, ok := keys.Key("can0", 2); ok {
			t.Errorf("%s: a key in an empty slot", name)
		}
		if text := fmt.Sprintf("%v %+v %#v %x", keys, keys, keys, keys); strings.Contains(strings.ToLower(text), keyA[2:12]) {
			t.Errorf("%s: printed", name)
		}
	}
	if entries, err := s.Entries(); err != nil || len(entries) != 0 {
		t.Errorf("%v in the store, %v", entries, err)
	}
	for _, c := range []struct{ file, passphrase string }{
		{seal(phrase), "another"}, {"", ""}, {"{", ""}, {`{"version":2,"keys":[]}`, ""}, {`{"v":1,"keys":[{"slot":9,"key":"` + keyA + `"}]}`, ""}, {"nonsense", ""},
	} {
		if _, err := s.KeyFile(strings.NewReader(c.file), c.passphrase); err == nil || strings.Contains(err.Error(), keyA[:8]) {
			t.Errorf("%.30q: %v", c.file, err)
		}
	}
}

// Whose key counts for a bus, also for one whose name a log does not tell.
func TestTheKeyThatCountsForABus(t *testing.T) {
	read := func(keys string) KeySet {
		set, err := (Store{State: memfs.New()}).KeyFile(strings.NewReader(`{"version":1,"keys":[`+keys+`]}`), "")
		if err != nil {
			t.Fatal(err)
		}
		return set
	}
	a, b := `{"bus":"can0","slot":3,"key":"`+keyA+`"}`, `{"bus":"can1","slot":3,"key":"`+keyB+`"}`
	every := `{"slot":3,"key":"` + keyB + `"}`
	for _, c := range []struct {
		keys, bus string
		ok, isA   bool
	}{
		{a, "can0", true, true}, {a, "can1", false, false}, {a, "", true, true}, {a + "," + b, "", false, false},
		{a + "," + every, "can0", true, true}, {a + "," + every, "can1", true, false}, {a + "," + every, "", true, false},
		{`{"device":4,"slot":3,"key":"` + keyA + `"}`, "", false, false},
	} {
		if k, ok := read(c.keys).Key(c.bus, 3); ok != c.ok || ok && (k == aKey) != c.isA {
			t.Errorf("%q of %s: %v", c.bus, c.keys, ok)
		}
	}
}

func FuzzKeyFile(f *testing.F) {
	f.Add([]byte(`{"version":1,"keys":[{"slot":3,"key":"` + keyA + `"}]}`))
	f.Add([]byte(`{"v":1,"keys":[{"slot":3,"key":"` + keyA + `"}]}`))
	f.Add([]byte("age-encryption.org/v1\n"))
	s := Store{State: memfs.New()}
	if _, _, err := s.Init(); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		set, err := s.KeyFile(bytes.NewReader(text), "")
		if err != nil && len(set.records) > 0 {
			t.Error("keys beside an error")
		}
		for slot := range uint8(8) {
			set.Key("", slot)
			set.Key("can0", slot)
		}
	})
}
