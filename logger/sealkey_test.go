package logger

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/synctest"

	"canseal/segment"
)

// faulty is a key whose signatures are of something else.
type faulty struct{ crypto.Signer }

func (f faulty) Sign(r io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	digest = slices.Clone(digest)
	digest[0] ^= 1
	return f.Signer.Sign(r, digest, o)
}

// Each line is signed by the key that the device has at that time. Whatever is
// wrong with a key, the line is there, in the chain, and it is told once.
func TestSealLinesAreSignedByTheKeyOfTheirTime(t *testing.T) {
	first, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	second, _ := rsa.GenerateKey(rand.Reader, 2048)
	_, other, _ := ed25519.GenerateKey(rand.Reader)
	unreadable := errors.New("unreadable")
	steps := []struct {
		key  crypto.Signer
		err  error
		want crypto.Signer
		told string // of the last event
	}{
		{nil, nil, nil, ""},
		{first, nil, first, "certificate: seal records are signed 0"},
		{first, nil, first, ""},
		{nil, unreadable, nil, "certificate: seal records are not signed 0"},
		{nil, unreadable, nil, ""},
		{second, nil, second, "certificate: seal records are signed 0"},
		{faulty{second}, nil, nil, "certificate: seal records are not signed 0"},
		{other, nil, nil, "certificate: seal records are not signed 0"},
		{first, nil, first, "certificate: seal records are signed 0"},
		{nil, nil, nil, "certificate: seal records are not signed 0"},
	}
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard())
		at := 0
		r.o.SealKey = func() (crypto.Signer, error) { return steps[at].key, steps[at].err }
		r.start()
		for i, step := range steps {
			at = i
			before := len(r.of("certificate"))
			r.send(10, 1)
			if _, err := r.logger.Rotate(t.Context(), i == len(steps)-1); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if got := r.of("certificate")[before:]; step.told == "" && len(got) > 0 || step.told != "" && !slices.Equal(got, []string{step.told}) {
				t.Errorf("step %d: told %q, wanted %q", i, got, step.told)
			}
			if signed := r.logger.Status().Log.Seal.Signed; signed != (step.want != nil) {
				t.Errorf("step %d: status says signed %v", i, signed)
			}
		}
		r.stop()
		lines := inventory(t, r.card).lines
		if len(lines) != len(steps) {
			t.Fatalf("%d lines of %d segments", len(lines), len(steps))
		}
		for i, step := range steps {
			if step.want == nil {
				if lines[i].Sig != "" {
					t.Errorf("line %d is signed", i)
				}
			} else if err := lines[i].CheckSignature(step.want.Public()); err != nil {
				t.Errorf("line %d: %v", i, err)
			}
		}
	})
}

// What was being written when the power failed is sealed, late or cut, with the
// key of the box, too.
func TestRecoveredSegmentsAreSigned(t *testing.T) {
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	synctest.Test(t, func(t *testing.T) {
		card := newCard()
		r := newRig(t, card).start()
		r.run(3, 10)
		r.stop()
		n := segment.Name{Session: 1, Split: 1}
		c := segment.Card{FS: card, Device: box}
		if err := card.Remove(c.SealPath(n.Session)); err != nil {
			t.Fatal(err)
		}
		r = newRig(t, card)
		r.o.SealKey = func() (crypto.Signer, error) { return key, nil }
		r.start()
		if !r.logger.Status().Log.Seal.Signed {
			t.Error("status says not signed")
		}
		r.send(10, 1)
		r.stop()
		log, err := c.ReadSeals(n.Session)
		if err != nil || len(log.Lines) != 1 || !log.Lines[0].Late || log.Lines[0].CheckSignature(key.Public()) != nil {
			t.Errorf("found %+v, %v, wanted a late line with a signature", log.Lines, err)
		}
	})
}

// of returns the events of a kind.
func (r *rig) of(kind string) (list []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if len(e) > len(kind) && e[:len(kind)+1] == kind+":" {
			list = append(list, e)
		}
	}
	return list
}
