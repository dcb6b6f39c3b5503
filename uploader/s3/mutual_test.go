package s3_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"canseal/certs"
	"canseal/internal/s3test/gateway"
	front "canseal/internal/s3test/proxy"
	"canseal/uploader"
	"canseal/uploader/s3"
)

// devices are the certificates that a server may meet, by the name of their
// story.
type devices struct {
	authority, other *certs.Authority
	identity         map[string]*certs.Identity
}

func newDevices(t *testing.T, now time.Time) *devices {
	t.Helper()
	d := &devices{identity: make(map[string]*certs.Identity)}
	var err error
	d.authority, err = certs.NewAuthority("Fleet CA", now.Add(-100*day), 900*day)
	must(t, err)
	d.other, err = certs.NewAuthority("Another CA", now.Add(-100*day), 900*day)
	must(t, err)
	for name, row := range map[string]struct {
		by   *certs.Authority
		at   time.Time
		kind certs.KeyKind
	}{
		"good": {d.authority, now, ""}, "rsa": {d.authority, now, certs.KeyRSA2048}, "revoked": {d.authority, now, ""},
		"wrong CA": {d.other, now, ""}, "expired": {d.authority, now.Add(-60 * day), ""},
	} {
		key, err := certs.NewKey(row.kind)
		must(t, err)
		leaf, err := row.by.Sign(key.Public(), certs.Leaf{Name: "A1B2C3D4", Client: true, Life: 30 * day}, row.at)
		must(t, err)
		d.identity[name], err = certs.NewIdentity(certs.EncodeCertificates(leaf), []certs.Key{{Name: certs.DeviceKey, Signer: key}}, certs.IdentityOptions{Now: func() time.Time { return row.at }})
		must(t, err)
	}
	d.authority.Revoke(d.identity["revoked"].Leaf, now)
	return d
}

// list is the authority's revocation list in PEM.
func (d *devices) list(t *testing.T, now time.Time, life time.Duration) []byte {
	t.Helper()
	der, err := d.authority.List(now, life)
	must(t, err)
	return certs.EncodeList(der)
}

// Each way in which nginx and haproxy refuse a device is recognised, and a good
// device gets through to the store behind them.
func TestServersThatVerifyDevices(t *testing.T) {
	now := time.Now()
	p, d := newPKI(t), newDevices(t, now)
	store := gateway.Start(t, gateway.Options{Access: access, Secret: secret, Buckets: []string{bucket}})
	cert, key := pemOf(t, p.server)
	fresh, stale := d.list(t, now, 30*day), d.list(t, now.Add(-10*day), 9*day)
	page := map[string]uploader.Class{"1.2": uploader.Identity, "1.3": uploader.Identity}
	alert := map[string]uploader.Class{"1.2": uploader.IdentitySuspected, "1.3": uploader.Identity}
	for _, server := range []struct {
		kind    string
		refused map[string]uploader.Class
	}{{front.Nginx, page}, {front.HAProxy, alert}} {
		for _, version := range []string{"1.2", "1.3"} {
			t.Run(server.kind+" TLS "+version, func(t *testing.T) {
				door := front.Start(t, front.Options{
					Kind: server.kind, Upstream: strings.TrimPrefix(store.URL, "http://"), Cert: cert, Key: key,
					CA: certs.EncodeCertificates(d.authority.Certificate), List: fresh, TLS: version,
				})
				w := world{url: door.URL, mode: "high", bundle: p.bundle}
				for name, hint := range map[string]string{"good": "", "rsa": "", "revoked": "CN=A1B2C3D4", "wrong CA": "CN=Another CA", "expired": "CN=A1B2C3D4", "missing": "mode high"} {
					want := server.refused[version]
					if name == "good" || name == "rsa" {
						want = uploader.Confirmed
					}
					meet(t, w, d.identity[name], name, want, hint)
				}
				must(t, door.Revoke(stale))
				hint := "list is out of date"
				if server.kind == front.Nginx {
					hint = "list out of date"
				}
				meet(t, w, d.identity["good"], "good, to a server whose list is out of date", server.refused[version], hint)
				must(t, door.Revoke(fresh))
				meet(t, w, d.identity["good"], "good again", uploader.Confirmed, "")
			})
		}
	}
}

// While a fleet goes from one authority to another, a server knows both, with a
// list of each.
func TestTwoAuthoritiesOfDevices(t *testing.T) {
	now := time.Now()
	p, d := newPKI(t), newDevices(t, now)
	store := gateway.Start(t, gateway.Options{Access: access, Secret: secret, Buckets: []string{bucket}})
	cert, key := pemOf(t, p.server)
	der, err := d.other.List(now, day)
	must(t, err)
	for _, kind := range []string{front.Nginx, front.HAProxy} {
		door := front.Start(t, front.Options{
			Kind: kind, Upstream: strings.TrimPrefix(store.URL, "http://"), Cert: cert, Key: key,
			CA: certs.EncodeCertificates(d.authority.Certificate, d.other.Certificate), List: append(d.list(t, now, day), certs.EncodeList(der)...),
		})
		w := world{url: door.URL, mode: "high", bundle: p.bundle}
		meet(t, w, d.identity["good"], kind+": of the old authority", uploader.Confirmed, "")
		meet(t, w, d.identity["wrong CA"], kind+": of the new authority", uploader.Confirmed, "")
		meet(t, w, d.identity["revoked"], kind+": revoked", uploader.Identity, "CN=A1B2C3D4")
	}
}

// meet writes an object as a device, and wants it stored (Confirmed) or refused
// with a class and a hint.
func meet(t *testing.T, w world, id *certs.Identity, name string, want uploader.Class, hint string) {
	t.Helper()
	for _, size := range []int{100, 3 << 20} { // with and without Expect: 100-continue
		c := w.client(t, func(o *s3.Options) {
			o.TLS = certs.ClientTLS(w.bundle, certs.TLSOptions{ServerName: "127.0.0.1"})
			o.Identity = func() (*certs.Identity, error) { return id, nil }
			if id == nil { // who has no certificate is in mode medium
				o.Mode, o.Identity = "medium", nil
			}
		})
		_, err := c.Replace(t.Context(), object(key, random(size)))
		c.Close()
		if want == uploader.Confirmed {
			if err != nil {
				t.Errorf("%s, %d bytes: %v", name, size, err)
			}
			continue
		}
		var refused *s3.RefusedError
		if uploader.ClassOf(err) != want || !errors.As(err, &refused) || !strings.Contains(err.Error(), hint) {
			t.Errorf("%s, %d bytes: found %v; wanted class %s, and %q", name, size, err, want, hint)
		}
		if refused != nil && refused.Suspected != (want == uploader.IdentitySuspected) {
			t.Errorf("%s: suspected %v", name, refused.Suspected)
		}
	}
}

// OpenSSL's own server, by its alerts: a missing certificate is alert 40 in TLS
// 1.2 and 116 in 1.3, a revoked one 44.
func TestAlertsOfOpenSSLAboutDevices(t *testing.T) {
	now := time.Now()
	p, d := newPKI(t), newDevices(t, now)
	file := filepath.Join(t.TempDir(), "ca.pem")
	must(t, os.WriteFile(file, append(certs.EncodeCertificates(d.authority.Certificate), d.list(t, now, day)...), 0o600))
	for version, want := range map[string]struct {
		missing uint8
		class   uploader.Class
	}{"-tls1_2": {40, uploader.IdentitySuspected}, "-tls1_3": {116, uploader.Identity}} {
		server := openssl(t, p.server, version, "-CAfile", file, "-crl_check", "-Verify", "2", "-verify_return_error")
		for name, alert := range map[string]uint8{"missing": want.missing, "revoked": 44, "wrong CA": 48, "expired": 45} {
			o := world{url: "https://" + server.address, mode: "medium", bundle: p.bundle}.options()
			if id := d.identity[name]; id != nil {
				o.Mode, o.Identity = "high", func() (*certs.Identity, error) { return id, nil }
			}
			report, err := s3.Handshake(t.Context(), o)
			var refused *s3.RefusedError
			if uploader.ClassOf(err) != want.class || !errors.As(err, &refused) || refused.Alert != alert || !report.Asked {
				t.Errorf("%s %s: found %v; wanted class %s and alert %d", version, name, err, want.class, alert)
			}
		}
		o := world{url: "https://" + server.address, mode: "medium", bundle: p.bundle}.options()
		o.Mode, o.Identity = "high", func() (*certs.Identity, error) { return d.identity["good"], nil }
		if report, err := s3.Handshake(t.Context(), o); err != nil || report.Device == nil {
			t.Errorf("%s good: %v", version, err)
		}
	}
}
