package segment_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"canseal/internal/durable"
	"canseal/segment"
)

// recipe is how docs/formats.md C7 says that a line is checked without canseal.
var recipe = regexp.MustCompile("(?s)nothing but OpenSSL[^\n]*\n```\n(.*?)```")

func opensslRecipe(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../docs/formats.md")
	if err != nil {
		t.Fatal(err)
	}
	found := recipe.FindSubmatch(page)
	if found == nil {
		t.Fatal("docs/formats.md tells no commands")
	}
	if _, err := exec.LookPath("openssl"); err != nil {
		if slices.Contains(strings.Split(os.Getenv("CANSEAL_REQUIRE"), ","), "peers") {
			t.Fatal("openssl is not here")
		}
		t.Skip("SKIPPED: openssl is not here: the check of seal.log by OpenSSL alone is not run")
	}
	// N is a word of the page, $N of the shell.
	return "set -e\n" + strings.NewReplacer("sed -n Np", `sed -n "${N}p"`).Replace(string(found[1]))
}

func writeCertificate(t *testing.T, name string, key crypto.Signer) {
	t.Helper()
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: string(device)}, NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// The commands of the page are run as they stand there.
func TestOpenSSLAloneChecksALine(t *testing.T) {
	script := opensslRecipe(t)
	large, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for what, key := range map[string]crypto.Signer{"EC P-256": newKey(t), "RSA 2048": large} {
		root := t.TempDir()
		c := session(t, durable.Dir(root))
		first, _ := sealed(1, segment.FirstPrev).Signed(key)
		second, _ := sealed(2, first.Hash()).Signed(key)
		for _, line := range []segment.SealLine{first, second} {
			if err := c.AppendSeal(17, line); err != nil {
				t.Fatal(err)
			}
		}
		folder := filepath.Join(root, filepath.FromSlash(c.Folder(17)))
		writeCertificate(t, filepath.Join(folder, "device.crt"), key)
		check := func(n int) (string, error) {
			cmd := exec.Command("sh", "-c", fmt.Sprintf("N=%d\n%s", n, script))
			cmd.Dir = folder
			out, err := cmd.CombinedOutput()
			return string(out), err
		}
		if out, err := check(2); err != nil || !strings.Contains(out, "Verified OK") || !strings.Contains(out, second.Prev) {
			t.Errorf("%s: %v\n%s", what, err, out)
		}
		text, _ := os.ReadFile(filepath.Join(folder, "seal.log"))
		os.WriteFile(filepath.Join(folder, "seal.log"), []byte(strings.Replace(string(text), `"lost":12`, `"lost":10`, 1)), 0o600)
		if out, err := check(1); err == nil || strings.Contains(out, "Verified OK") {
			t.Errorf("%s, a changed line: %s", what, out)
		}
	}
}
