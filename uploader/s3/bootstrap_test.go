package s3_test

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"

	"canseal/certs"
	"canseal/internal/s3test"
	"canseal/uploader"
	"canseal/uploader/s3"
)

// A device whose clock stands a year back reaches a store that it has pinned,
// if it may; a wrong pin, an expired certificate or a synchronised clock open
// nothing.
func TestTheClockBootstrap(t *testing.T) {
	p := newPKI(t)
	leaf, err := x509.ParseCertificate(p.server.Certificate[0])
	must(t, err)
	right, wrong := sha256.Sum256(leaf.RawSubjectPublicKeyInfo), sha256.Sum256(nil)
	for name, row := range map[string]struct {
		allowed, synced bool
		pin             [32]byte
		years           int
		want            uploader.Class // Confirmed: it works
	}{
		"allowed":       {true, false, right, -1, uploader.Confirmed},
		"not allowed":   {false, false, right, -1, uploader.Clock},
		"another pin":   {true, false, wrong, -1, uploader.Trust},
		"synchronised":  {true, true, right, -1, uploader.Trust},
		"the year 2099": {true, false, right, 73, uploader.Clock},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := s3test.New(s3test.Options{Keys: map[string]string{access: secret}, Buckets: []string{bucket}, TLS: &tls.Config{Certificates: []tls.Certificate{p.server}}})
			must(t, err)
			defer s.Close()
			rules := certs.TLSOptions{ServerName: "127.0.0.1", Pins: [][32]byte{row.pin, wrong}, Now: func() time.Time { return time.Now().AddDate(row.years, 0, 0) }}
			raised := 0
			c := world{url: s.URL, mode: "medium", bundle: p.bundle}.client(t, func(o *s3.Options) {
				o.TLS, o.Now, o.Synchronised = certs.ClientTLS(p.bundle, rules), rules.Now, func() bool { return row.synced }
				o.Accepted = func() { raised++ }
				if row.allowed {
					o.Bootstrap = func(now time.Time) *tls.Config {
						then := rules
						then.Now = func() time.Time { return now }
						return certs.ClientTLS(p.bundle, then)
					}
				}
			})
			_, err = c.Replace(t.Context(), object(key, random(10)))
			if row.want == uploader.Confirmed {
				must(t, err)
			} else {
				wantClass(t, err, row.want)
			}
			if (raised == 1) != (row.want == uploader.Confirmed) {
				t.Errorf("the floor was raised %d times", raised)
			}
		})
	}
}
