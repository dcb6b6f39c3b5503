package certs

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"canseal/internal/durable"
	"canseal/internal/durable/memfs"
)

const deviceID = "A1B2C3D4"

// pair is a key in a state folder and a function that has certificates made
// for it.
type pair struct {
	t         *testing.T
	authority *Authority
	key       crypto.Signer
	now       time.Time
}

func newPair(t *testing.T, now time.Time) *pair {
	t.Helper()
	a, err := NewAuthority("Fleet CA", now.Add(-50*day), 900*day)
	must(t, err)
	key, err := NewKey(KeyP256)
	must(t, err)
	return &pair{t, a, key, now}
}

// leaf issues a device's certificate, changed before it is signed.
func (p *pair) leaf(change func(*x509.Certificate)) *x509.Certificate {
	p.t.Helper()
	t, err := leafTemplate(Leaf{Name: deviceID, Client: true, Life: 30 * day}, p.now)
	must(p.t, err)
	if change != nil {
		change(t)
	}
	der, err := x509.CreateCertificate(rand.Reader, t, p.authority.Certificate, p.key.Public(), p.authority.key)
	must(p.t, err)
	c, err := x509.ParseCertificate(der)
	must(p.t, err)
	return c
}

// Each thing that can be wrong with a device's certificate has its reason, and
// a text that names the certificate and what to do.
func TestADevicesCertificateIsJudged(t *testing.T) {
	now := time.Now()
	p := newPair(t, now)
	middle, err := p.authority.Intermediate("Middle CA", now.Add(-day), 90*day)
	must(t, err)
	old, err := p.authority.Intermediate("Old CA", now.Add(-20*day), 10*day)
	must(t, err)
	below := func(a *Authority) []byte {
		c, err := a.Sign(p.key.Public(), Leaf{Name: deviceID, Client: true, Life: day}, now)
		must(t, err)
		return EncodeCertificates(append([]*x509.Certificate{c}, a.Chain()...)...)
	}
	twin, err := NewAuthority("Middle CA", now, day)
	must(t, err)
	leaf := func(change func(*x509.Certificate)) []byte { return EncodeCertificates(p.leaf(change)) }
	good := leaf(nil)
	keyPEM, err := EncodeKey(p.key)
	must(t, err)
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	must(t, err)
	weak := &pair{t, p.authority, small, now}
	keys := []Key{{DeviceKey, mustKey(t)}, {NextKey, p.key}, {PreviousKey, small}}
	for name, row := range map[string]struct {
		file   []byte
		keys   []Key
		reason IdentityReason
		word   string
	}{
		"good, with the key of the request": {good, keys, "", ""},
		"DER":                               {p.leaf(nil).Raw, keys, "", ""},
		"with its issuer":                   {below(middle), keys, "", ""},
		"with issuer and root":              {append(below(middle), EncodeCertificates(p.authority.Certificate)...), keys, "", ""},
		"text around it":                    {append([]byte("Certificate:\n  Data:\n"), good...), keys, "", ""},
		"no key at all":                     {good, nil, IdentityNoKey, "canseal certs csr"},
		"for another key":                   {good, keys[:1], IdentityKeyMismatch, "its key is none of [device.key]"},
		"the issuer first":                  {EncodeCertificates(p.authority.Certificate, p.leaf(nil)), keys, IdentityKeyMismatch, "comes first in the file"},
		"a server's":                        {leaf(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }), keys, IdentityUsage, "clientAuth"},
		"usage not said":                    {leaf(func(c *x509.Certificate) { c.ExtKeyUsage = nil }), keys, IdentityUsage, "clientAuth"},
		"for agreement alone":               {leaf(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyAgreement }), keys, IdentityUsage, "digitalSignature"},
		"an authority's":                    {leaf(func(c *x509.Certificate) { c.IsCA = true }), keys, IdentityAuthority, "CA:TRUE"},
		"expired":                           {leaf(func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Minute) }), keys, IdentityExpired, "since"},
		"not yet valid":                     {leaf(func(c *x509.Certificate) { c.NotBefore = now.Add(time.Hour) }), keys, IdentityNotYetValid, "clock"},
		"an expired issuer behind it":       {below(old), keys, IdentityExpired, "Old CA"},
		"a stranger behind it":              {append(slices.Clone(good), EncodeCertificates(middle.Certificate)...), keys, IdentityChain, "in order"},
		"a namesake behind it":              {append(slices.Clone(below(middle)[:bytes.Index(below(middle)[10:], []byte("-----BEGIN"))+10]), EncodeCertificates(twin.Certificate, twin.Certificate)...), keys, IdentityChain, "has not signed"},
		"RSA 1024":                          {EncodeCertificates(weak.leaf(nil)), keys, IdentityWeak, "RSA 1024"},
		"a key in the file":                 {append(slices.Clone(good), keyPEM...), keys, IdentityPrivateKey, "replace that key"},
		"empty":                             {nil, keys, IdentityForm, "canseal certs csr"},
		"garbage":                           {[]byte("garbage"), keys, IdentityForm, "neither PEM"},
		"too large":                         {bytes.Repeat([]byte{' '}, maxIdentity+1), keys, IdentityForm, "at most"},
		"eleven certificates":               {bytes.Repeat(leaf(func(c *x509.Certificate) { c.Subject = pkix.Name{CommonName: "x"} }), 11), keys, IdentityForm, "11 certificates"},
	} {
		id, err := NewIdentity(row.file, row.keys, IdentityOptions{Now: func() time.Time { return now }})
		var e *IdentityError
		switch {
		case row.reason == "":
			if err != nil || id.Key != NextKey || id.Leaf.Subject.CommonName != deviceID || len(id.TLS().Certificate) != 1+len(id.Chain) {
				t.Errorf("%s: %v", name, err)
			}
		case !errors.As(err, &e) || e.Reason != row.reason || !strings.Contains(err.Error(), row.word):
			t.Errorf("%s: found %v, wanted %s and %q", name, err, row.reason, row.word)
		case e.Dates() != (row.reason == IdentityExpired || row.reason == IdentityNotYetValid):
			t.Errorf("%s: a question of dates: %v", name, e.Dates())
		}
	}
}

func mustKey(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := NewKey(KeyP256)
	must(t, err)
	return key
}

func TestDaysLeftAndRenewal(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	p := newPair(t, now)
	id, err := NewIdentity(EncodeCertificates(p.leaf(nil)), []Key{{DeviceKey, p.key}}, IdentityOptions{Device: "00000001"})
	must(t, err)
	if len(id.Notes) != 1 || !strings.Contains(id.Notes[0], "this device is 00000001") {
		t.Errorf("notes %q", id.Notes)
	}
	for _, row := range []struct {
		at   time.Time
		days int
		due  bool
	}{{now, 30, false}, {now.Add(20 * day), 10, false}, {now.Add(20*day + time.Second), 9, true}, {now.Add(30*day + time.Second), -1, true}} {
		if days, due := id.DaysLeft(row.at), id.RenewalDue(row.at.Add(-time.Nanosecond), 10*day); days != row.days || due != row.due {
			t.Errorf("%s: %d days, due %v; wanted %d, %v", row.at.Sub(now), days, due, row.days, row.due)
		}
	}
}

// A key is made once, for its owner alone, and is whole or absent after a power
// cut anywhere.
func TestAKeyIsMadeOnce(t *testing.T) {
	for _, kind := range []KeyKind{KeyP256, KeyP384, KeyRSA2048} {
		state := durable.Dir(t.TempDir())
		made, err := MakeKey(state, DeviceKey, kind)
		must(t, err)
		info, err := state.Stat(DeviceKey)
		must(t, err)
		read, err := LoadKey(state, DeviceKey)
		if err != nil || info.Mode().Perm() != 0o600 || !made.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(read.Public()) {
			t.Errorf("%s: %v, mode %v", kind, err, info.Mode())
		}
		if _, err := MakeKey(state, DeviceKey, kind); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: made twice: %v", kind, err)
		}
	}
	memfs.EachCrash(t, func(*memfs.FS) {}, func(f *memfs.FS) error {
		_, err := MakeKey(f, DeviceKey, KeyP256)
		return err
	}, func(f *memfs.FS) {
		var e *IdentityError
		if _, err := LoadKey(f, DeviceKey); err != nil && (!errors.As(err, &e) || e.Reason != IdentityNoKey) {
			t.Errorf("after a cut: %v", err)
		}
	})
	if _, err := NewKey("rsa512"); err == nil {
		t.Error("a key of 512 bits was made")
	}
}

// At every power cut while a new key settles, the certificate on the card finds
// its key.
func TestACertificateFindsItsKeyAtEveryCut(t *testing.T) {
	p := newPair(t, time.Now())
	card := memfs.New()
	must(t, durable.WriteFile(card, DeviceCertificate, EncodeCertificates(p.leaf(nil)), 0o644))
	text, err := EncodeKey(p.key)
	must(t, err)
	before, err := EncodeKey(mustKey(t))
	must(t, err)
	memfs.EachCrash(t, func(f *memfs.FS) {
		must(t, durable.WriteFile(f, DeviceKey, before, 0o600))
		must(t, durable.WriteFile(f, NextKey, text, 0o600))
	}, func(f *memfs.FS) error { return SettleKey(f) }, func(f *memfs.FS) {
		if _, err := OpenIdentity(card, f, IdentityOptions{}); err != nil {
			t.Error(err)
		}
		must(t, SettleKey(f))
		if id, err := OpenIdentity(card, f, IdentityOptions{}); err != nil || id.Key != DeviceKey {
			t.Errorf("settled again: %v", err)
		}
	})
}

func TestKeysThatAreNotTaken(t *testing.T) {
	p := newPair(t, time.Now())
	root := t.TempDir()
	state := durable.Dir(root)
	must(t, durable.WriteFile(state, DeviceCertificate, EncodeCertificates(p.leaf(nil)), 0o644))
	good, err := EncodeKey(p.key)
	must(t, err)
	path := filepath.Join(root, DeviceKey)
	for name, row := range map[string]struct {
		text   string
		mode   os.FileMode
		reason IdentityReason
	}{
		"good":       {string(good), 0o600, ""},
		"exposed":    {string(good), 0o640, IdentityKeyExposed},
		"empty":      {"", 0o600, IdentityKeyUnread},
		"encrypted":  {"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n", 0o600, IdentityKeyUnread},
		"torn":       {string(good[:len(good)/2]), 0o600, IdentityKeyUnread},
		"a request":  {"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n", 0o600, IdentityKeyUnread},
		"far larger": {strings.Repeat("x", maxKey+1), 0o600, IdentityKeyUnread},
	} {
		must(t, os.WriteFile(path, []byte(row.text), 0o600))
		must(t, os.Chmod(path, row.mode))
		_, err := OpenIdentity(state, state, IdentityOptions{})
		var e *IdentityError
		if row.reason == "" && err != nil || row.reason != "" && (!errors.As(err, &e) || e.Reason != row.reason) {
			t.Errorf("%s: found %v, wanted %q", name, err, row.reason)
		}
		if err != nil && len(row.text) > 0 && strings.Contains(err.Error(), strings.Split(string(good), "\n")[1]) {
			t.Errorf("%s: the error holds the key", name)
		}
	}
}

// A request names the device and is signed by its key; OpenSSL takes it, and
// what OpenSSL issues on it is taken here.
func TestARequestSignedByOpenSSL(t *testing.T) {
	dir := t.TempDir()
	run := openssl(t, dir)
	run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "90", "-subj", "/CN=Fleet CA")
	must(t, os.WriteFile(filepath.Join(dir, "dev.ext"), []byte("basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\n"), 0o600))
	state := durable.Dir(dir)
	key, err := MakeKey(state, DeviceKey, KeyP256)
	must(t, err)
	csr, err := Request(key, deviceID)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "device.csr"), csr, 0o600))
	if out := run("req", "-in", "device.csr", "-noout", "-verify", "-subject"); !strings.Contains(out, "CN = "+deviceID) {
		t.Errorf("openssl reads %s", out)
	}
	run("x509", "-req", "-in", "device.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30", "-sha256", "-extfile", "dev.ext", "-out", "device.crt")
	id, err := OpenIdentity(state, state, IdentityOptions{Device: deviceID})
	if err != nil || len(id.Notes) > 0 {
		t.Fatalf("%v %v", err, id)
	}
	run("x509", "-req", "-in", "device.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30", "-sha256", "-out", "device.crt")
	var e *IdentityError
	if _, err := OpenIdentity(state, state, IdentityOptions{}); !errors.As(err, &e) || e.Reason != IdentityUsage {
		t.Errorf("without the extensions: %v", err)
	}
	a, err := LoadAuthority(read(t, dir, "ca.pem"), read(t, dir, "ca.key"))
	must(t, err)
	a.Revoke(id.Leaf, time.Now())
	list, err := a.List(time.Now(), day)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "list.pem"), EncodeList(list), 0o600))
	if out := run("crl", "-in", "list.pem", "-CAfile", "ca.pem", "-noout", "-text"); !strings.Contains(out, "verify OK") || !strings.Contains(out, "Serial Number") {
		t.Errorf("openssl reads %s", out)
	}
}

func read(t *testing.T, dir, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	must(t, err)
	return b
}

// A server's certificate without a SAN stands for its common name only where it
// is the very one in the bundle, in date, and the setting allows it.
func TestACommonNameCountsForAPinnedCertificateAlone(t *testing.T) {
	now := time.Now()
	self := func(name string, from, to time.Time, hosts ...string) tls.Certificate {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(t, err)
		tmpl := &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: from, NotAfter: to, DNSNames: hosts,
			BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		}
		der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
		must(t, err)
		leaf, err := x509.ParseCertificate(der)
		must(t, err)
		return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
	}
	pinned := self("store", now.Add(-day), now.Add(day))
	root, err := NewAuthority("root", now.Add(-day), 90*day)
	must(t, err)
	key := mustKey(t)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "store"}, NotBefore: now.Add(-day), NotAfter: now.Add(day), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, root.Certificate, key.Public(), root.key)
	must(t, err)
	leaf, err := x509.ParseCertificate(der)
	must(t, err)
	below := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
	for name, row := range map[string]struct {
		server tls.Certificate
		bundle []byte
		host   string
		allow  bool
		fault  Fault
	}{
		"pinned":                          {pinned, pinned.Leaf.Raw, "store", true, ""},
		"pinned, in capitals":             {pinned, pinned.Leaf.Raw, "STORE", true, ""},
		"not allowed":                     {pinned, pinned.Leaf.Raw, "store", false, FaultName},
		"another name":                    {pinned, pinned.Leaf.Raw, "shop", true, FaultName},
		"no name at all":                  {pinned, pinned.Leaf.Raw, "", true, FaultName},
		"not in the bundle":               {pinned, root.Certificate.Raw, "store", true, FaultName},
		"its namesake in the bundle":      {pinned, self("store", now.Add(-day), now.Add(day)).Leaf.Raw, "store", true, FaultName},
		"below a trusted root":            {below, root.Certificate.Raw, "store", true, FaultName},
		"expired":                         {self("store", now.Add(-2*day), now.Add(-day)), nil, "store", true, FaultExpired},
		"with a SAN of another name":      {self("store", now.Add(-day), now.Add(day), "shop"), nil, "store", true, FaultName},
		"with a SAN of its name":          {self("x", now.Add(-day), now.Add(day), "store"), nil, "store", true, ""},
		"a normal server, with the rule":  {issued(t, root, "store"), root.Certificate.Raw, "store", true, ""},
		"a normal server of another name": {issued(t, root, "shop"), root.Certificate.Raw, "store", true, FaultName},
	} {
		if row.bundle == nil {
			row.bundle = row.server.Leaf.Raw
		}
		b, err := InspectBundle(row.bundle, BundleOptions{})
		if b == nil {
			t.Fatalf("%s: %v", name, err)
		}
		config := ClientTLS(b, TLSOptions{ServerName: row.host, AllowCN: row.allow})
		_, err = shake(t, config, serving(row.server))
		e := Explain(err, now)
		if row.fault == "" && err != nil || row.fault != "" && (e == nil || e.Fault != row.fault) {
			t.Errorf("%s: found %v, wanted %q", name, err, row.fault)
		}
	}
}

// Revocation lists go on from one to the next, and only from one's own.
func TestAListGoesOn(t *testing.T) {
	now := time.Now()
	p := newPair(t, now)
	first, second := p.leaf(nil), p.leaf(func(c *x509.Certificate) { c.SerialNumber = big.NewInt(77) })
	p.authority.Revoke(first, now)
	p.authority.Revoke(first, now)
	der, err := p.authority.List(now, day)
	must(t, err)
	text, err := EncodeKey(p.authority.Key())
	must(t, err)
	next, err := LoadAuthority(EncodeCertificates(p.authority.Certificate), text)
	must(t, err)
	must(t, next.Continue(EncodeList(der)))
	next.Revoke(second, now)
	if der, err = next.List(now, day); err != nil || next.Revoked() != 2 {
		t.Fatalf("%d revoked, %v", next.Revoked(), err)
	}
	l, err := x509.ParseRevocationList(der)
	must(t, err)
	b, err := LoadBundle(encode(t, p.authority.Certificate), BundleOptions{})
	must(t, err)
	b.crls = append(b.crls, l)
	if !b.revoked(first) || !b.revoked(second) || b.revoked(p.leaf(nil)) {
		t.Error("the list does not name what was revoked")
	}
	other, err := NewAuthority("Fleet CA", now, day)
	must(t, err)
	if err := other.Continue(der); err == nil {
		t.Error("a list of another authority was taken up")
	}
	for _, bad := range [][]byte{nil, []byte("x"), EncodeCertificates(first)} {
		if err := next.Continue(bad); err == nil {
			t.Errorf("%q is no list", bad)
		}
	}
}

// Certificates, keys, requests and lists come from others: nothing breaks, and
// an identity that is taken holds what a handshake needs.
func FuzzIdentity(f *testing.F) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	a, err := NewAuthority("Fleet CA", now, 90*day)
	must(f, err)
	key := mustKey(f)
	leaf, err := a.Sign(key.Public(), Leaf{Name: deviceID, Client: true, Life: day}, now)
	must(f, err)
	csr, err := Request(key, deviceID)
	must(f, err)
	text, err := EncodeKey(key)
	must(f, err)
	list, err := a.List(now, day)
	must(f, err)
	for _, seed := range [][]byte{nil, leaf.Raw, EncodeCertificates(leaf, a.Certificate), csr, text, list, EncodeList(list)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		id, err := NewIdentity(file, []Key{{DeviceKey, key}}, IdentityOptions{Now: func() time.Time { return now }})
		if err == nil && (!key.Public().(*ecdsa.PublicKey).Equal(id.Leaf.PublicKey) || len(id.TLS().Certificate) > maxCerts) {
			t.Error("an identity of another key was taken")
		}
		if r, err := ParseRequest(file); err == nil && r.PublicKey == nil {
			t.Error("a request without a key was taken")
		}
		if k, err := ParseKey(file); err == nil && k.Public() == nil {
			t.Error("a key without its public half was taken")
		}
		if _, _, err := ReadCertificates(file); err != nil && err.Error() == "" {
			t.Error("an error without a word")
		}
		_ = (&Authority{Certificate: a.Certificate, key: a.key}).Continue(file)
	})
}
