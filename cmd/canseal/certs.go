package main

import (
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"canseal/certs"
	"canseal/internal/durable"
)

func certsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "certs",
		Short: "look at certificates, make bundles, ask for and issue certificates",
		Long: `Certs has what modes medium and high need: the trust bundle certs_server.p7b, by which the device knows the server,
and the device's own certificate device.crt, by which the server knows the device.`,
	}
	cmd.AddCommand(certsInspect(), certsBundle(), certsCheck(), certsCSR(), certsIssue(), certsRevoke())
	return cmd
}

// maxCertFile bounds a file of certificates in bytes.
const maxCertFile = 64 << 10

// readLimited reads a file of at most maxCertFile bytes and one: the parsers
// refuse what is larger.
func readLimited(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxCertFile+1))
}

// writeWhole writes a public file, in place of one of that name only with
// replace. Readers see the old one or the new one.
func writeWhole(name string, content []byte, replace bool) error {
	if _, err := os.Lstat(name); err == nil && !replace {
		return fmt.Errorf("%s is there already: take it away, or name another file", name)
	}
	return durable.WriteFile(durable.Dir(filepath.Dir(name)), filepath.Base(name), content, 0o644)
}

// writeOut is where a command writes: a file, else standard output.
func writeOut(cmd *cobra.Command, name string, content []byte) error {
	if name != "" {
		return writeWhole(name, content, false)
	}
	_, err := cmd.OutOrStdout().Write(content)
	return err
}

// certificateOf reads a file that begins with the certificate in question.
func certificateOf(name string) (*x509.Certificate, error) {
	list, _, err := certificatesOf(name)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s: no certificate", name)
	}
	return list[0], nil
}

// certificatesOf reads all certificates and lists of a file, whatever a bundle
// would say of them.
func certificatesOf(name string) ([]*x509.Certificate, []*x509.RevocationList, error) {
	text, err := readLimited(name)
	if err != nil {
		return nil, nil, err
	}
	list, lists, err := certs.ReadCertificates(text)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	return list, lists, nil
}

// describe says who a certificate is, with the two hashes by which others name
// it.
func describe(w io.Writer, c *x509.Certificate) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "  %-9s %s\n", name, printable(fmt.Sprintf(format, args...)))
	}
	line("subject", "%s", c.Subject)
	line("issuer", "%s", c.Issuer)
	line("serial", "%X", c.SerialNumber)
	line("valid", "%s to %s, %d days left", c.NotBefore.UTC().Format(time.DateOnly), c.NotAfter.UTC().Format(time.DateOnly), int(time.Until(c.NotAfter).Hours()/24))
	line("key", "%s", certs.KeyText(c))
	line("for", "%s", uses(c))
	if names := namesOf(c); len(names) > 0 {
		line("names", "%s", strings.Join(names, ", "))
	}
	line("sha256", "%s", certs.Fingerprint(c))
	pin := certs.Pin(c)
	line("pin", "%s", base64.StdEncoding.EncodeToString(pin[:]))
}

// uses says what a certificate may be used for.
func uses(c *x509.Certificate) string {
	var list []string
	if c.IsCA {
		list = append(list, "issuing")
	}
	for _, u := range c.ExtKeyUsage {
		switch u {
		case x509.ExtKeyUsageServerAuth:
			list = append(list, "server")
		case x509.ExtKeyUsageClientAuth:
			list = append(list, "client")
		case x509.ExtKeyUsageCodeSigning:
			list = append(list, "signing")
		default:
			list = append(list, "other")
		}
	}
	if len(list) == 0 {
		return "not said"
	}
	return strings.Join(list, ", ")
}

func namesOf(c *x509.Certificate) []string {
	names := append([]string{}, c.DNSNames...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	for _, u := range c.URIs {
		names = append(names, u.String())
	}
	return names
}
