package certs_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"canseal/certs"
	"canseal/internal/durable"
)

// The key that signs records is that of the certificate, whatever its dates;
// before there is one, the key of the request. A renewal takes over at once.
func TestTheKeyOfSealRecords(t *testing.T) {
	card, state := durable.Dir(t.TempDir()), durable.Dir(t.TempDir())
	authority, err := certs.NewAuthority("test", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	is := func(what string, name string) {
		t.Helper()
		got, err := certs.SealKey(card, state)
		if name == "" {
			if got != nil {
				t.Errorf("%s: found a key", what)
			}
			return
		}
		want, loadErr := certs.LoadKey(state, name)
		if err != nil || loadErr != nil || got == nil || !want.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(got.Public()) {
			t.Errorf("%s: %v, %v; wanted %s", what, err, loadErr, name)
		}
	}
	issue := func(name string, life time.Duration) {
		t.Helper()
		key, err := certs.LoadKey(state, name)
		if err != nil {
			t.Fatal(err)
		}
		crt, err := authority.Sign(key.Public(), certs.Leaf{Name: "A1B2C3D4", Client: true, Life: life}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if err := durable.WriteFile(card, certs.DeviceCertificate, certs.EncodeCertificates(crt), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	is("nothing", "")
	if _, err := certs.SealKey(card, state); err != nil {
		t.Errorf("no key is no error: %v", err)
	}
	certs.MakeKey(state, certs.DeviceKey, certs.KeyP256)
	is("asked for a certificate", certs.DeviceKey)
	issue(certs.DeviceKey, -time.Minute)
	is("expired", certs.DeviceKey)
	certs.MakeKey(state, certs.NextKey, certs.KeyRSA2048)
	is("asked for the next", certs.DeviceKey)
	issue(certs.NextKey, time.Hour)
	is("the next is there", certs.NextKey)
	if err := certs.SettleKey(state); err != nil {
		t.Fatal(err)
	}
	is("settled", certs.DeviceKey)
	durable.WriteFile(card, certs.DeviceCertificate, []byte("rubbish"), 0o644)
	is("the certificate is damaged", certs.DeviceKey)
	durable.WriteFile(state, certs.DeviceKey, []byte("rubbish"), 0o600)
	if key, err := certs.SealKey(card, state); err == nil || key != nil || strings.Contains(err.Error(), "rubbish") {
		t.Errorf("a damaged key: %v, %v", key, err)
	}
}

func TestWhomAnAuthorityVouchesFor(t *testing.T) {
	now := time.Now()
	root, _ := certs.NewAuthority("root", now, 1000*time.Hour)
	fleet, _ := root.Intermediate("fleet", now, 100*time.Hour)
	stranger, _ := certs.NewAuthority("root", now, 1000*time.Hour)
	leaf := func(a *certs.Authority, l certs.Leaf) *x509.Certificate {
		key, _ := certs.NewKey("")
		l.Name = "A1B2C3D4"
		crt, err := a.Sign(key.Public(), l, now)
		if err != nil {
			t.Fatal(err)
		}
		return crt
	}
	device := certs.Leaf{Client: true, Life: time.Hour}
	good, revoked, bare := leaf(fleet, device), leaf(root, device), leaf(root, device)
	root.Revoke(revoked, now)
	list, err := root.List(now, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	b, err := certs.LoadBundle(bytes.Join([][]byte{certs.EncodeCertificates(root.Certificate), certs.EncodeList(list)}, nil), certs.BundleOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		leaf  *x509.Certificate
		above []*x509.Certificate
		at    time.Time
		want  string
	}{
		"of the root":          {bare, nil, now, ""},
		"through another":      {good, []*x509.Certificate{fleet.Certificate}, now, ""},
		"years later":          {bare, nil, now.Add(20 * time.Hour), ""},
		"a link is missing":    {good, nil, now, "unknown authority"},
		"revoked":              {revoked, nil, now, "revoc"},
		"of a namesake":        {leaf(stranger, device), []*x509.Certificate{stranger.Certificate}, now, "unknown authority"},
		"a server's":           {leaf(root, certs.Leaf{Server: true, Life: time.Hour}), nil, now, "incompatible key usage"},
		"an authority's":       {fleet.Certificate, nil, now, "authority's"},
		"not valid at present": {bare, nil, now.Add(-48 * time.Hour), "not yet valid"},
	} {
		err := b.Vouches(c.leaf, c.above, c.at)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: found %v, wanted %q", name, err, c.want)
		}
	}
}
