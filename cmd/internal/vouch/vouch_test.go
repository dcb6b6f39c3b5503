package vouch

import (
	"bytes"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"canseal/certs"
	"canseal/segment"
)

const device = segment.Device("A1B2C3D4")

// shelf is an authority and files of it.
type shelf struct {
	t         *testing.T
	dir       string
	authority *certs.Authority
}

func newShelf(t *testing.T) *shelf {
	a, err := certs.NewAuthority("fleet", time.Now(), 100*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	s := &shelf{t, t.TempDir(), a}
	s.put("ca.pem", certs.EncodeCertificates(a.Certificate))
	return s
}

func (s *shelf) put(name string, content []byte) string {
	s.t.Helper()
	name = filepath.Join(s.dir, name)
	if err := os.WriteFile(name, content, 0o600); err != nil {
		s.t.Fatal(err)
	}
	return name
}

func (s *shelf) issue(l certs.Leaf) *x509.Certificate {
	s.t.Helper()
	key, err := certs.NewKey("")
	if err != nil {
		s.t.Fatal(err)
	}
	c, err := s.authority.Sign(key.Public(), l, time.Now())
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

func client(cn string) certs.Leaf { return certs.Leaf{Name: cn, Client: true, Life: time.Hour} }

// Whose key counts, by who is asked and what lies beside the segments. The last
// key is that of beside, where there is one.
func TestWhoseSignaturesCount(t *testing.T) {
	s := newShelf(t)
	ours, other, free := s.issue(client("A1B2C3D4")), s.issue(client("0000000F")), s.issue(client("truck seven"))
	revoked, server := s.issue(client("A1B2C3D4")), s.issue(certs.Leaf{Name: "A1B2C3D4", Server: true, Life: time.Hour})
	stranger := newShelf(t).issue(client("A1B2C3D4"))
	pem := func(c *x509.Certificate) []byte { return certs.EncodeCertificates(c) }
	ca, oursFile, otherFile := filepath.Join(s.dir, "ca.pem"), s.put("ours.crt", pem(ours)), s.put("other.crt", pem(other))
	freeFile := s.put("free.crt", pem(free))
	der := s.put("der.crt", ours.Raw)
	s.authority.Revoke(revoked, time.Now())
	list, err := s.authority.List(time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	withList := s.put("both.pem", bytes.Join([][]byte{pem(s.authority.Certificate), certs.EncodeList(list)}, nil))
	for name, c := range map[string]struct {
		flags  Flags
		beside *x509.Certificate
		want   []string // the doubts about the keys; "": none
	}{
		"nobody is asked":                        {Flags{}, ours, []string{notChecked}},
		"nobody, of another":                     {Flags{}, other, []string{notChecked}},
		"nothing at all":                         {Flags{}, nil, nil},
		"the authority":                          {Flags{ca: ca}, ours, []string{""}},
		"the authority, of another":              {Flags{ca: ca}, other, []string{"not issued to A1B2C3D4"}},
		"the authority, a free name":             {Flags{ca: ca}, free, []string{"not issued to A1B2C3D4"}},
		"the authority, of a stranger":           {Flags{ca: ca}, stranger, []string{"does not vouch"}},
		"the authority, a server's":              {Flags{ca: ca}, server, []string{"does not vouch"}},
		"the authority, before the list":         {Flags{ca: ca}, revoked, []string{""}},
		"the authority, on its list":             {Flags{ca: withList}, revoked, []string{"does not vouch"}},
		"the authority, not on its list":         {Flags{ca: withList}, ours, []string{""}},
		"the certificate":                        {Flags{devices: []string{oursFile}}, stranger, []string{"", notChecked}},
		"the certificate in DER":                 {Flags{devices: []string{der}}, nil, []string{""}},
		"the certificate of another":             {Flags{devices: []string{otherFile}}, nil, []string{"not issued to A1B2C3D4"}},
		"a certificate of a free name":           {Flags{devices: []string{freeFile}}, nil, []string{""}},
		"both":                                   {Flags{devices: []string{oursFile, freeFile}, ca: ca}, other, []string{"", "not issued to", "not issued to"}},
		"an authority that does not know it":     {Flags{devices: []string{s.put("s.crt", pem(stranger))}, ca: ca}, nil, []string{"does not vouch"}},
		"two certificates, before and after one": {Flags{devices: []string{oursFile, s.put("next.crt", pem(s.issue(client("A1B2C3D4"))))}}, nil, []string{"", ""}},
	} {
		w, err := c.flags.Load(time.Now())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var beside []byte
		if c.beside != nil {
			beside = pem(c.beside)
		}
		trust, err := w.Trust(device, beside)
		if err != nil || len(trust.Keys) != len(c.want) || trust.Required != (c.flags.ca != "" || c.flags.devices != nil) {
			t.Errorf("%s: %+v, %v", name, trust, err)
			continue
		}
		for i, k := range trust.Keys {
			if (k.Doubt == "") != (c.want[i] == "") || !strings.Contains(k.Doubt, c.want[i]) {
				t.Errorf("%s: key %d: doubt %q, wanted %q", name, i, k.Doubt, c.want[i])
			}
		}
	}
}

func TestFilesThatNobodyCanUse(t *testing.T) {
	s := newShelf(t)
	for want, f := range map[string]Flags{
		"no such file":                  {ca: filepath.Join(s.dir, "nowhere")},
		"no certificate of a device":    {devices: []string{filepath.Join(s.dir, "ca.pem")}},
		"at most 65536":                 {devices: []string{s.put("large", make([]byte, 1<<17))}},
		"--ca":                          {ca: s.put("rubbish", []byte("rubbish"))},
		"the file is empty":             {ca: s.put("empty", nil)},
		"--device-cert " + s.dir + "/k": {devices: []string{s.put("k", []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"))}},
	} {
		if _, err := f.Load(time.Now()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("found %v, wanted %q", err, want)
		}
	}
	// What lies beside segments is anybody's: it never stops the check.
	w, _ := (&Flags{ca: filepath.Join(s.dir, "ca.pem")}).Load(time.Now())
	for _, beside := range []string{"", "rubbish", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", strings.Repeat("0\x80", 4000)} {
		if trust, err := w.Trust(device, []byte(beside)); err == nil || len(trust.Keys) != 0 || !trust.Required {
			t.Errorf("%.20q: %+v, %v", beside, trust, err)
		}
	}
}

// An authority that has ended has signed all the same, and a certificate that has
// ended signed what it signed.
func TestYearsLater(t *testing.T) {
	s := newShelf(t)
	crt := s.issue(client("A1B2C3D4"))
	f := Flags{ca: filepath.Join(s.dir, "ca.pem")}
	w, err := f.Load(time.Now().Add(20 * 365 * 24 * time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	trust, err := w.Trust(device, certs.EncodeCertificates(crt))
	if err != nil || len(trust.Keys) != 1 || trust.Keys[0].Doubt != "" || trust.Keys[0].Until.IsZero() {
		t.Errorf("%+v, %v", trust, err)
	}
}
