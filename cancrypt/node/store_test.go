package node

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"

	"canseal/cancrypt"
	"canseal/internal/durable/memfs"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func keyOf(b byte) (k cancrypt.Key) {
	for i := range k {
		k[i] = b
	}
	return k
}

func inMemory() Store {
	return Store{State: memfs.New(), Now: func() time.Time { return time.Unix(1_800_000_000, 0) }}
}

func slotsOf(t testing.TB, s Store, h Holder) *cancrypt.Slots {
	t.Helper()
	slots, err := s.Slots(h, FromPairing)
	must(t, err)
	return slots
}

func TestKeysOutliveTheProgram(t *testing.T) {
	s := inMemory()
	own := Holder{Bus: "can0"}
	must(t, slotsOf(t, s, own).Put(3, keyOf(3)))
	must(t, slotsOf(t, s, own).Put(5, keyOf(5)))
	if k, err := s.Key(own, 3); err != nil || k != keyOf(3) {
		t.Errorf("slot 3: %v", err)
	}
	must(t, slotsOf(t, s, own).Erase(3))
	if _, err := s.Key(own, 3); !errors.Is(err, ErrNoKey) {
		t.Errorf("slot 3, erased: %v", err)
	}
	entries, err := s.Entries()
	must(t, err)
	want := Entry{Bus: "can0", Slot: 5, From: FromPairing, At: time.Unix(1_800_000_000, 0).UTC()}
	if len(entries) != 1 || entries[0] != want {
		t.Errorf("%+v", entries)
	}
}

// The nearest key counts: that of a device on a bus, of the bus, of the device
// anywhere, of every bus.
func TestTheNearestKeyCounts(t *testing.T) {
	s := inMemory()
	for i, h := range []Holder{{}, {"", 3}, {"can0", 0}, {"can0", 3}} {
		must(t, s.put([]record{{Entry{Bus: h.Bus, Device: h.Device, Slot: 2}, secret(keyOf(byte(i + 1)))}}))
		if k, err := s.Key(Holder{"can0", 3}, 2); err != nil || k != keyOf(byte(i+1)) {
			t.Errorf("after the key of %v: %v", h, err)
		}
	}
	if k, _ := s.Key(Holder{"can1", 4}, 2); k != keyOf(1) {
		t.Error("another device on another bus: want the key of every bus")
	}
	if k, _ := s.Key(Holder{"can1", 3}, 2); k != keyOf(2) {
		t.Error("the device on another bus: want its key of every bus")
	}
}

// What a bus erases is gone, also where the key was one of every bus. A
// configurator that erases a device's key keeps its own.
func TestErasingReachesTheKeyThatCounts(t *testing.T) {
	s := inMemory()
	must(t, slotsOf(t, s, Holder{}).Put(3, keyOf(1)))
	device, err := s.Slots(Holder{"can0", 7}, FromPairing, 3)
	must(t, err)
	if !device.Has(3) || slotsOf(t, s, Holder{"can0", 7}).Has(3) {
		t.Error("a device has the base key in the slot that it is paired on, and no other")
	}
	must(t, device.Erase(3))
	if _, err := s.Key(Holder{"can0", 0}, 3); err != nil {
		t.Errorf("the own key went with the device's: %v", err)
	}
	must(t, slotsOf(t, s, Holder{Bus: "can0"}).Erase(3))
	if _, err := s.Key(Holder{Bus: "can1"}, 3); !errors.Is(err, ErrNoKey) {
		t.Errorf("the key is still there for another bus: %v", err)
	}
}

func TestAnotherKeyIsNotWrittenOver(t *testing.T) {
	s := inMemory()
	a, b := slotsOf(t, s, Holder{}), slotsOf(t, s, Holder{}) // two programs
	must(t, a.Put(3, keyOf(1)))
	if err := b.Put(3, keyOf(2)); !errors.Is(err, cancrypt.ErrTaken) || b.Has(3) {
		t.Errorf("%v", err)
	}
	must(t, b.Put(3, keyOf(1)))
}

func TestAPowerCutLeavesTheKeysBeforeOrAfter(t *testing.T) {
	count := func(fsys *memfs.FS) int {
		entries, err := Store{State: fsys}.Entries()
		must(t, err)
		return len(entries)
	}
	for n := 1; ; n++ {
		fsys := memfs.New()
		s := Store{State: fsys}
		must(t, slotsOf(t, s, Holder{}).Put(1, keyOf(1)))
		fsys.Settle()
		slots := slotsOf(t, s, Holder{})
		fsys.FailFrom(fsys.Ops()+n, memfs.ErrPower)
		err := slots.Put(2, keyOf(2))
		for seed := range uint64(8) {
			switch got := count(fsys.Crash(seed)); {
			case err == nil && got != 2, got < 1 || got > 2:
				t.Fatalf("cut after operation %d (%v): %d keys", n, err, got)
			}
		}
		if err == nil {
			return
		}
	}
}

func TestTwoProgramsChangeTheFileInTurn(t *testing.T) {
	dir := t.TempDir()
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			s := At(dir, nil)
			must(t, s.put([]record{{Entry{Bus: fmt.Sprint("can", i), Slot: 1}, secret(keyOf(1))}}))
		})
	}
	all.Wait()
	entries, err := At(dir, nil).Entries()
	if must(t, err); len(entries) != 4 {
		t.Errorf("%d keys of 4 are there", len(entries))
	}
	for _, name := range []string{keysFile, lockFile} {
		info, err := os.Stat(filepath.Join(dir, name))
		if must(t, err); info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
	}
}

func TestAFileThatOthersCanReadIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := At(dir, nil)
	_, _, err := s.Init()
	must(t, err)
	for _, name := range []string{keysFile, identityFile} {
		must(t, os.Chmod(filepath.Join(dir, name), 0o640))
	}
	if _, err := s.Entries(); !errors.Is(err, ErrExposed) {
		t.Errorf("keys: %v", err)
	}
	if _, err := s.Recipient(); !errors.Is(err, ErrExposed) {
		t.Errorf("identity: %v", err)
	}
}

func TestInitMakesWhatIsMissingAndKeepsWhatIsThere(t *testing.T) {
	s := inMemory()
	if _, err := s.Recipient(); !errors.Is(err, ErrNoIdentity) {
		t.Errorf("before: %v", err)
	}
	first, made, err := s.Init()
	if err != nil || !made || !strings.HasPrefix(first, "age1") {
		t.Fatalf("%q, %v, %v", first, made, err)
	}
	must(t, slotsOf(t, s, Holder{}).Put(1, keyOf(1)))
	again, made, err := s.Init()
	if err != nil || made || again != first {
		t.Errorf("again: %q, %v, %v", again, made, err)
	}
	if entries, _ := s.Entries(); len(entries) != 1 {
		t.Errorf("again: %d keys", len(entries))
	}
}

// sealed encrypts the content of a provisioning file.
func sealed(t testing.TB, content string, armored bool, to ...age.Recipient) []byte {
	t.Helper()
	var out bytes.Buffer
	if !armored {
		w, err := age.Encrypt(&out, to...)
		must(t, err)
		_, err = w.Write([]byte(content))
		must(t, errors.Join(err, w.Close()))
		return out.Bytes()
	}
	a := armor.NewWriter(&out)
	_, err := a.Write(sealed(t, content, false, to...))
	must(t, errors.Join(err, a.Close()))
	return out.Bytes()
}

const provided = `{"version": 1, "keys": [
 {"slot": 3, "key": "a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3"},
 {"bus": "can0", "device": 7, "slot": 2, "key": "00112233445566778899aabbccddeeff"}]}`

func TestProvisioning(t *testing.T) {
	for _, armored := range []bool{false, true} {
		s := inMemory()
		recipient, _, err := s.Init()
		must(t, err)
		to, err := age.ParseX25519Recipient(recipient)
		must(t, err)
		file := sealed(t, provided, armored, to)
		entries, err := s.Provision(bytes.NewReader(file), "")
		if err != nil || len(entries) != 2 {
			t.Fatalf("armored %v: %v, %v", armored, entries, err)
		}
		if k, err := s.Key(Holder{"can0", 7}, 2); err != nil || hex.EncodeToString(k[:]) != "00112233445566778899aabbccddeeff" {
			t.Errorf("the device's key: %v", err)
		}
		if k, err := s.Key(Holder{"can5", 0}, 3); err != nil || k != keyOf(0xA3) {
			t.Errorf("the key of every bus: %v", err)
		}
		if _, err := s.Provision(bytes.NewReader(file), ""); err != nil {
			t.Errorf("the same file again: %v", err)
		}
		other := sealed(t, strings.Replace(provided, "a3a3", "b4b4", 1), armored, to)
		if _, err := s.Provision(bytes.NewReader(other), ""); !errors.Is(err, cancrypt.ErrTaken) {
			t.Errorf("another key for a slot that is taken: %v", err)
		}
	}
}

func TestProvisioningWithAPassphrase(t *testing.T) {
	to, err := age.NewScryptRecipient("correct horse")
	must(t, err)
	to.SetWorkFactor(10)
	file := sealed(t, provided, false, to)
	s := inMemory()
	if _, err := s.Provision(bytes.NewReader(file), "wrong"); err == nil {
		t.Error("opened with another passphrase")
	}
	if _, err := s.Provision(bytes.NewReader(file), ""); !errors.Is(err, ErrNoIdentity) {
		t.Errorf("without a passphrase: %v", err)
	}
	_, err = s.Provision(bytes.NewReader(file), "correct horse")
	must(t, err)

	begun := time.Now()
	if _, err := s.Provision(bytes.NewReader(costly(t)), "correct horse"); err == nil {
		t.Error("a file that costs 4 TiB of memory was opened")
	}
	if took := time.Since(begun); took > time.Minute {
		t.Errorf("refused after %v", took)
	}
}

// costly is a file whose scrypt stanza asks for N = 2^32.
func costly(t testing.TB) []byte {
	to, err := age.NewScryptRecipient("correct horse")
	must(t, err)
	to.SetWorkFactor(2)
	return bytes.Replace(sealed(t, provided, false, to), []byte(" 2\n"), []byte(" 32\n"), 1)
}

func TestProvisioningRefuses(t *testing.T) {
	s := inMemory()
	recipient, _, err := s.Init()
	must(t, err)
	to, err := age.ParseX25519Recipient(recipient)
	must(t, err)
	stranger, err := age.GenerateX25519Identity()
	must(t, err)
	key := `"key":"a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3"`
	for name, file := range map[string][]byte{
		"nothing":            nil,
		"no age file":        []byte(strings.ReplaceAll(provided, "\n", "")),
		"somebody else's":    sealed(t, provided, false, stranger.Recipient()),
		"cut":                sealed(t, provided, false, to)[:250],
		"too large":          sealed(t, provided+strings.Repeat(" ", maxFile), false, to),
		"much too large":     bytes.Repeat([]byte("age"), maxFile),
		"no JSON":            sealed(t, "keys: 1", false, to),
		"two values":         sealed(t, provided+provided, false, to),
		"no keys":            sealed(t, `{"version":1,"keys":[]}`, false, to),
		"another version":    sealed(t, strings.Replace(provided, "1", "2", 1), false, to),
		"unknown field":      sealed(t, `{"version":1,"keys":[{"slot":1,`+key+`,"a3a3a3a3a3a3a3a3":1}]}`, false, to),
		"slot 0":             sealed(t, `{"version":1,"keys":[{"slot":0,`+key+`}]}`, false, to),
		"slot 7":             sealed(t, `{"version":1,"keys":[{"slot":7,`+key+`}]}`, false, to),
		"slot 300":           sealed(t, `{"version":1,"keys":[{"slot":300,`+key+`}]}`, false, to),
		"device 16":          sealed(t, `{"version":1,"keys":[{"slot":1,"device":16,`+key+`}]}`, false, to),
		"a bus of two lines": sealed(t, `{"version":1,"keys":[{"slot":1,"bus":"a\nb",`+key+`}]}`, false, to),
		"one slot twice":     sealed(t, `{"version":1,"keys":[{"slot":1,`+key+`},{"slot":1,`+key+`}]}`, false, to),
		"a short key":        sealed(t, `{"version":1,"keys":[{"slot":1,"key":"a3a3a3a3a3a3a3a3"}]}`, false, to),
		"a key of letters":   sealed(t, `{"version":1,"keys":[{"slot":1,"key":"a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3zz"}]}`, false, to),
		"a key of zeros":     sealed(t, `{"version":1,"keys":[{"slot":1,"key":"00000000000000000000000000000000"}]}`, false, to),
		"a key as a number":  sealed(t, `{"version":1,"keys":[{"slot":1,"key":163163163163}]}`, false, to),
		"no key":             sealed(t, `{"version":1,"keys":[{"slot":1}]}`, false, to),
	} {
		_, err := s.Provision(bytes.NewReader(file), "")
		if err == nil {
			t.Errorf("%s: taken", name)
			continue
		}
		for _, leak := range []string{"a3a3", "163163"} {
			if strings.Contains(err.Error(), leak) {
				t.Errorf("%s: the error tells a key: %v", name, err)
			}
		}
		t.Logf("%s: %v", name, err)
	}
	if entries, err := s.Entries(); err != nil || len(entries) != 0 {
		t.Errorf("%d keys, %v", len(entries), err)
	}
}

func TestNothingPrintsWhatTheStoreHolds(t *testing.T) {
	s := inMemory()
	_, _, err := s.Init()
	must(t, err)
	must(t, slotsOf(t, s, Holder{}).Put(1, keyOf(0xA1)))
	records, err := s.load()
	must(t, err)
	entries, err := s.Entries()
	must(t, err)
	var out bytes.Buffer
	for _, v := range []any{s, &s, records[0], records[0].Key, entries, slotsOf(t, s, Holder{}), provisioning{Version: 1}} {
		for _, verb := range []string{"%v", "%+v", "%s", "%x", "%X", "%d", "%q"} {
			if _, ok := v.(Store); ok || fmt.Sprintf("%T", v) == "*node.Store" {
				verb = "%T" // it refers to a folder, here in memory
			}
			fmt.Fprintf(&out, verb+" ", v)
		}
	}
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "entries", entries, "slots", slotsOf(t, s, Holder{}), "key", records[0].Key)
	must(t, json.NewEncoder(&out).Encode(entries))
	for _, leak := range []string{"a1a1", "A1A1", "161 161", "AGE-SECRET"} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("%q stands in %s", leak, out.String())
		}
	}
}

func TestAFileOfKeysThatIsDamagedIsNotWrittenOver(t *testing.T) {
	fsys := memfs.New()
	s := Store{State: fsys}
	must(t, s.write(keysFile, []byte(`{"v":1,"keys":[{"slot":9`)))
	if err := (func() error { _, err := s.Slots(Holder{}, ""); return err })(); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if err := s.put([]record{{Entry{Slot: 1}, secret(keyOf(1))}}); err == nil {
		t.Error("a damaged file was replaced")
	}
}

func FuzzProvisioning(f *testing.F) {
	f.Add([]byte(provided))
	f.Add([]byte(`{"version":1,"keys":[{"slot":1}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		records, err := parseProvisioning(bytes.Clone(text))
		if err != nil {
			return
		}
		s := inMemory()
		must(t, s.put(records))
		if again, err := s.load(); err != nil || len(again) != len(records) {
			t.Fatalf("%d of %d keys come back: %v", len(again), len(records), err)
		}
	})
}

func FuzzSealedProvisioning(f *testing.F) {
	identity, err := age.ParseX25519Identity("AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX")
	must(f, err)
	f.Add(sealed(f, provided, false, identity.Recipient()))
	f.Add(sealed(f, provided, true, identity.Recipient()))
	f.Fuzz(func(t *testing.T, file []byte) {
		_, _ = readProvisioning(bytes.NewReader(file), []age.Identity{identity})
	})
}
