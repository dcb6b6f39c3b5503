package vouch

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"canseal/certs"
	"canseal/internal/durable"
	"canseal/segment"
)

// Flags name who vouches for the keys of seal records.
type Flags struct {
	devices []string
	ca      string
}

// Register adds the flags to a command.
func (f *Flags) Register(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.devices, "device-cert", nil, "certificate of a device (`file`, PEM or DER) whose signatures count; may be repeated, like after a renewal")
	cmd.Flags().StringVar(&f.ca, "ca", "", "`file` with the authority that vouches for device certificates, and its revocation list if there is one: those of --device-cert, and device.crt beside the segments")
}

// Required tells whether somebody was named who vouches.
func (f *Flags) Required() bool { return f.ca != "" || len(f.devices) > 0 }

// maxFile bounds a file of certificates in bytes.
const maxFile = 64 << 10

// Witness knows who vouches.
type Witness struct {
	flags   Flags
	bundle  *certs.Bundle // nil: no authority was named
	devices []file
	now     time.Time
}

// file is what one --device-cert holds.
type file struct {
	name   string
	leaves []*x509.Certificate
	above  []*x509.Certificate
}

// Load reads the files that the flags name.
func (f *Flags) Load(now time.Time) (*Witness, error) {
	w := &Witness{flags: *f, now: now}
	for _, name := range f.devices {
		text, err := read(name)
		if err != nil {
			return nil, err
		}
		d, err := parse(name, text)
		if err != nil {
			return nil, fmt.Errorf("--device-cert %s: %w", name, err)
		}
		w.devices = append(w.devices, d)
	}
	if f.ca == "" {
		return w, nil
	}
	text, err := read(f.ca)
	if err != nil {
		return nil, err
	}
	w.bundle, err = certs.LoadBundle(text, certs.BundleOptions{WarnDuplicateIssuer: true, Now: now})
	var old *certs.BundleError
	if err != nil && !(errors.As(err, &old) && old.Dates) { // an authority that has ended has signed all the same
		return nil, fmt.Errorf("--ca %s: %w", f.ca, err)
	}
	if w.bundle.Cleared {
		return nil, fmt.Errorf("--ca %s: the file is empty", f.ca)
	}
	return w, nil
}

func read(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%s: %d bytes, wanted at most %d", name, info.Size(), maxFile)
	}
	return os.ReadFile(name)
}

func parse(name string, text []byte) (file, error) {
	f := file{name: name}
	list, _, err := certs.ReadCertificates(text)
	if err != nil {
		return f, err
	}
	for _, c := range list {
		if c.IsCA {
			f.above = append(f.above, c)
		} else {
			f.leaves = append(f.leaves, c)
		}
	}
	if len(f.leaves) == 0 {
		return f, errors.New("no certificate of a device is in it")
	}
	return f, nil
}

// notChecked is the doubt about a certificate that nobody vouches for.
const notChecked = "not checked against anything"

// Trust says whose signatures count for a device. beside is the device.crt that
// lies with its segments, nil where there is none: a claim, until an authority
// vouches for it. An error is about beside, and the Trust is good all the same.
func (w *Witness) Trust(d segment.Device, beside []byte) (segment.Trust, error) {
	t := segment.Trust{Required: w.flags.Required()}
	for _, f := range w.devices {
		for _, leaf := range f.leaves {
			t.Keys = append(t.Keys, w.key(leaf, f.name, w.doubt(d, leaf, f.above, w.bundle != nil)))
		}
	}
	if beside == nil {
		return t, nil
	}
	f, err := parse(certs.DeviceCertificate, beside)
	if err != nil {
		return t, fmt.Errorf("%s: %w", f.name, err)
	}
	for _, leaf := range f.leaves[:1] {
		doubt := notChecked
		if w.bundle != nil {
			doubt = w.doubt(d, leaf, f.above, true)
		}
		t.Keys = append(t.Keys, w.key(leaf, f.name, doubt))
	}
	return t, nil
}

// doubt is why a certificate does not count for a device; empty: it does. One that
// the operator named without an authority need not be named after the device, but
// must not be another's.
func (w *Witness) doubt(d segment.Device, leaf *x509.Certificate, above []*x509.Certificate, authority bool) string {
	other, err := segment.ParseDevice(leaf.Subject.CommonName)
	if other != d && (authority || err == nil) {
		return fmt.Sprintf("which is not issued to %s", d)
	}
	if !authority {
		return ""
	}
	if err := w.bundle.Vouches(leaf, above, w.now); err != nil {
		return fmt.Sprintf("for which %s does not vouch: %.300s", w.flags.ca, err)
	}
	return ""
}

func (w *Witness) key(leaf *x509.Certificate, from, doubt string) segment.SealKey {
	owner := fmt.Sprintf("%.256q of %s", leaf.Subject, from)
	if w.bundle != nil && doubt == "" {
		owner += ", for which " + w.flags.ca + " vouches"
	}
	return segment.SealKey{Public: leaf.PublicKey, Owner: owner, Doubt: doubt, From: leaf.NotBefore, Until: leaf.NotAfter}
}

// Beside reads device.crt of a card; nil: it has none that can be read.
func Beside(card durable.FS) []byte {
	text, err := durable.ReadFile(card, certs.DeviceCertificate, maxFile)
	if err != nil {
		return nil
	}
	return text
}
