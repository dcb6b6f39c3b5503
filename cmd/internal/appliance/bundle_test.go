package appliance

import (
	"crypto/x509"
	"testing"
	"time"

	"canseal/certs"
)

// testBundle is a trust bundle of an authority that nobody uses.
func testBundle(t *testing.T) string {
	t.Helper()
	authority, err := certs.NewAuthority("test", time.Now(), 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	bundle, err := certs.EncodeBundle([]*x509.Certificate{authority.Certificate})
	if err != nil {
		t.Fatal(err)
	}
	return string(bundle)
}
