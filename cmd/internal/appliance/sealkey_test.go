package appliance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"canseal/certs"
	"canseal/internal/durable"
	"canseal/segment"
)

// A running box signs its seal records from the moment that it has a key, with
// another from the moment that its certificate is renewed, and records on unsigned
// when the key cannot be used.
func TestSealRecordsFollowTheKeyOfTheBox(t *testing.T) {
	f := newFleet(t, false)
	b := f.box(t)
	b.start(t)
	state := durable.Dir(b.state)
	var wanted []string // keys of the lines
	step := func(name string) {
		t.Helper()
		b.sealed(t)
		id := ""
		if name != "" {
			key, err := certs.LoadKey(state, name)
			if err != nil {
				t.Fatal(err)
			}
			if id, err = segment.KeyID(key.Public()); err != nil {
				t.Fatal(err)
			}
		}
		if signed := b.collect().Log.Seal.Signed; signed != (id != "") {
			t.Errorf("key %q: device.json says signed %v", name, signed)
		}
		wanted = append(wanted, id)
	}
	step("")
	f.identify(t, b, deviceLeaf(time.Hour))
	step(certs.DeviceKey)
	next, err := certs.MakeKey(state, certs.NextKey, certs.KeyRSA2048)
	if err != nil {
		t.Fatal(err)
	}
	step(certs.DeviceKey) // the certificate is still the old one
	crt, err := f.authority.Sign(next.Public(), deviceLeaf(time.Hour), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(b.root, certs.DeviceCertificate), string(certs.EncodeCertificates(crt)))
	step(certs.NextKey)
	for _, name := range []string{certs.DeviceKey, certs.NextKey} {
		if err := os.Chmod(filepath.Join(b.state, name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	step("")

	log, err := segment.Card{FS: durable.Dir(b.root), Device: "A1B2C3D4"}.ReadSeals(1)
	if err != nil || len(log.Lines) < len(wanted) {
		t.Fatalf("%d lines, %v; wanted %d", len(log.Lines), err, len(wanted))
	}
	for i, want := range wanted {
		if log.Lines[i].Key != want {
			t.Errorf("line %d: key %q, wanted %q", i+1, log.Lines[i].Key, want)
		}
	}
	b.await(t, "the event about the key", func(Facts) bool {
		events, err := os.ReadFile(filepath.Join(b.root, eventsFile))
		return err == nil && strings.Contains(string(events), `"what":"seal records are not signed","bus":0,"detail":{"reason":"device identity: key_exposed`)
	})
}
