package appliance

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"canseal/certs"
	"canseal/internal/s3test"
	"canseal/uploader/s3"
)

// A box of profile compat works with a store that has an old suite alone, knows it
// after a restart, and tells of the day on which the store gives up forward secrecy.
func TestABoxRemembersHowItSpokeToTheStore(t *testing.T) {
	authority := testAuthority(t)
	key, err := certs.NewKey(certs.KeyRSA2048)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := authority.Sign(key.Public(), certs.Leaf{Name: "store", Names: []string{"127.0.0.1"}, Server: true, Life: time.Hour}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var suite atomic.Uint32
	suite.Store(uint32(tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA))
	store := newTestStore(t, s3test.Options{TLS: &tls.Config{
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return &tls.Config{
				Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.Raw}, PrivateKey: key}}, NextProtos: []string{"http/1.1"},
				MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{uint16(suite.Load())},
			}, nil
		},
	}})
	b := newBox(t, configFor("medium", store.URL)+"tls: {profile: compat}\n")
	writeFile(t, filepath.Join(b.root, bundleFile), bundleOf(t, authority))
	b.start(t)
	b.await(t, "the old suite", func(f Facts) bool {
		return f.TLS.Attempt == "modern and RSA" && f.TLS.Suite == "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA" && f.TLS.DHE == "disabled" && !f.TLS.Downgraded
	})
	b.stop()
	memory, err := os.ReadFile(filepath.Join(b.root, "state", s3.MemoryFile))
	if err != nil || !strings.Contains(string(memory), `"attempt":"modern and RSA"`) {
		t.Fatalf("%s, %v", memory, err)
	}
	suite.Store(uint32(tls.TLS_RSA_WITH_AES_128_CBC_SHA))
	b.start(t)
	b.await(t, "no upload without forward secrecy", func(f Facts) bool {
		return f.Upload.Class == "config" && f.TLS.Downgraded && strings.Contains(f.Upload.Reason, "forward secret")
	})
	events, err := os.ReadFile(filepath.Join(b.root, eventsFile))
	if err != nil || strings.Count(string(events), `"kind":"tls","what":"downgrade refused"`) != 1 {
		t.Errorf("%v in\n%s", err, events)
	}
}
