package main

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"canseal/certs"
	"canseal/cmd/internal/appliance"
)

// issuing are the flags of `certs issue`.
type issuing struct {
	ca, caKey        string
	root             bool
	csr, signature   string
	current          string
	trustCSR         bool
	name             string
	names, usage     []string
	key, out, keyOut string
	days             int
	now              time.Time
}

func certsIssue() *cobra.Command {
	o := issuing{}
	cmd := &cobra.Command{
		Use:   "issue",
		Short: "a certificate authority for a small fleet: roots, servers, devices",
		Long: `Issue signs with the authority of --ca and --ca-key, which may come from OpenSSL too, and says what it has signed.

  --root --name NAME       makes the authority itself: certificate and key
  --csr FILE               signs the request of a device; the key stays in the device. The request must carry the signature
                           of the certificate in use, --current (FILE.p7s, made by "canseal certs csr"); for the first
                           certificate, or without that signature, --trust-csr says that you know where the request is from
  --name NAME [--san ...]  makes a key too: for a server (the default with --san), or for a client

Keep the authority's key off every box and off the store.`,
		Example: `  canseal certs issue --root --name "Fleet CA" --days 3650 -o ca.pem --key-out ca.key
  canseal certs issue --ca ca.pem --ca-key ca.key --name store.example --san store.example --san 10.0.0.7 -o store.pem --key-out store.key
  canseal certs issue --ca ca.pem --ca-key ca.key --csr device.csr --trust-csr -o device.crt
  canseal certs issue --ca ca.pem --ca-key ca.key --csr device.csr --current old.crt -o device.crt`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.now = time.Now()
			if err := o.check(); err != nil {
				return appliance.Usage(err)
			}
			return o.run(cmd)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.ca, "ca", "", "the authority's certificate")
	f.StringVar(&o.caKey, "ca-key", "", "the authority's private key")
	f.BoolVar(&o.root, "root", false, "make an authority that stands for itself")
	f.StringVar(&o.csr, "csr", "", "a request to sign")
	f.StringVar(&o.signature, "signature", "", "the device's signature of the request (default CSR.p7s)")
	f.StringVar(&o.current, "current", "", "the certificate in use, which has signed the request")
	f.BoolVar(&o.trustCSR, "trust-csr", false, "sign a request that nothing but its own key speaks for")
	f.StringVar(&o.name, "name", "", "common name (default: that of the request)")
	f.StringSliceVar(&o.names, "san", nil, "subjectAltName: a host, an IP address or a URI; may be repeated")
	f.StringSliceVar(&o.usage, "usage", nil, "server, client, or both (default: client for a request and without --san, else server)")
	f.StringVar(&o.key, "key", string(certs.KeyP256), "kind of key to make: "+keyKinds())
	f.IntVar(&o.days, "days", 365, "how long it is good; never longer than its authority")
	f.StringVarP(&o.out, "output", "o", "", "file for the certificate; it must not exist")
	f.StringVar(&o.keyOut, "key-out", "", "file for the key that is made; it must not exist")
	return cmd
}

// check finds what the command line lacks.
func (o *issuing) check() error {
	_, kindErr := keyKind(o.key)
	makesKey := o.csr == ""
	switch {
	case kindErr != nil:
		return kindErr
	case o.out == "":
		return errors.New("--output is needed")
	case o.days < 1 || o.days > 36500:
		return errors.New("--days: wanted 1 to 36500")
	case o.root && (o.csr != "" || o.ca != "" || len(o.names) > 0 || len(o.usage) > 0):
		return errors.New("--root goes with --name, --days, --key and the outputs alone")
	case !o.root && (o.ca == "" || o.caKey == ""):
		return errors.New("--ca and --ca-key are needed")
	case makesKey && o.name == "":
		return errors.New("--csr, or --name for a key that is made here")
	case makesKey && o.keyOut == "":
		return errors.New("--key-out is needed for the key that is made")
	case o.csr != "" && o.current == "" && !o.trustCSR:
		return errors.New("--current, the certificate in use that has signed the request, or --trust-csr if you know where the request is from")
	}
	for _, u := range o.usage {
		if u != "server" && u != "client" {
			return fmt.Errorf("--usage %q: wanted server or client", u)
		}
	}
	return nil
}

func (o *issuing) run(cmd *cobra.Command) error {
	chain, key, err := o.make()
	if err != nil {
		return err
	}
	if key != nil {
		if err := o.writeKey(key); err != nil {
			return err
		}
	}
	if err := writeWhole(o.out, certs.EncodeCertificates(chain...), false); err != nil {
		return err
	}
	w := cmd.OutOrStdout()
	fmt.Fprintf(w, "%s:\n", o.out)
	describe(w, chain[0])
	if key != nil {
		fmt.Fprintf(w, "%s: its key; whoever has it is %s\n", o.keyOut, printable(chain[0].Subject.String()))
	}
	return nil
}

func (o *issuing) writeKey(key crypto.Signer) error {
	if _, err := os.Lstat(o.out); err == nil {
		return fmt.Errorf("%s is there already: take it away, or name another file", o.out)
	}
	text, err := certs.EncodeKey(key)
	if err != nil {
		return err
	}
	return writeNewFile(o.keyOut, text)
}

// make returns the certificate with the issuers to send behind it, and the key
// if it was made.
func (o *issuing) make() ([]*x509.Certificate, crypto.Signer, error) {
	kind, life := certs.KeyKind(o.key), time.Duration(o.days)*24*time.Hour
	if o.root {
		a, err := certs.NewAuthorityKey(o.name, kind, o.now, life)
		if err != nil {
			return nil, nil, err
		}
		return []*x509.Certificate{a.Certificate}, a.Key(), nil
	}
	a, err := loadAuthority(o.ca, o.caKey, o.now)
	if err != nil {
		return nil, nil, err
	}
	l := o.leaf(min(life, a.Certificate.NotAfter.Sub(o.now)))
	if o.csr == "" {
		key, err := certs.NewKey(kind)
		if err != nil {
			return nil, nil, err
		}
		cert, err := a.Sign(key.Public(), l, o.now)
		return append([]*x509.Certificate{cert}, a.Chain()...), key, err
	}
	r, err := o.request()
	if err != nil {
		return nil, nil, err
	}
	if l.Name == "" {
		l.Name = r.Subject.CommonName
	}
	cert, err := a.Sign(r.PublicKey, l, o.now)
	return append([]*x509.Certificate{cert}, a.Chain()...), nil, err
}

// leaf is what the certificate says.
func (o *issuing) leaf(life time.Duration) certs.Leaf {
	usage := o.usage
	switch {
	case len(usage) > 0:
	case o.csr != "" || len(o.names) == 0:
		usage = []string{"client"}
	default:
		usage = []string{"server"}
	}
	return certs.Leaf{Name: o.name, Names: o.names, Server: slices.Contains(usage, "server"), Client: slices.Contains(usage, "client"), Life: life}
}

// request reads the request and finds out whether it is the device's.
func (o *issuing) request() (*x509.CertificateRequest, error) {
	text, err := readLimited(o.csr)
	if err != nil {
		return nil, err
	}
	r, err := certs.ParseRequest(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.csr, err)
	}
	if o.current == "" {
		return r, nil
	}
	current, err := certificateOf(o.current)
	if err != nil {
		return nil, err
	}
	name := o.signature
	if name == "" {
		name = o.csr + ".p7s"
	}
	signature, err := readLimited(name)
	if err != nil {
		return nil, fmt.Errorf("the device's signature of its request: %w; `canseal certs csr -o FILE` writes it beside the request", err)
	}
	if err := (&certs.Signer{Certificate: current}).Verify(text, signature, o.now, true); err != nil {
		return nil, fmt.Errorf("%s: %w: it does not show that the request is from the device of %s", name, err, o.current)
	}
	if r.Subject.CommonName != current.Subject.CommonName && o.name == "" {
		return nil, fmt.Errorf("%s asks for %.100q, and is signed by %.100q: say with --name which one you mean", o.csr, r.Subject.CommonName, current.Subject.CommonName)
	}
	return r, nil
}

// loadAuthority reads an authority's files; one that has expired issues
// nothing.
func loadAuthority(certificate, key string, now time.Time) (*certs.Authority, error) {
	certText, err := readLimited(certificate)
	if err != nil {
		return nil, err
	}
	keyText, err := readLimited(key)
	if err != nil {
		return nil, err
	}
	a, err := certs.LoadAuthority(certText, keyText)
	if err != nil {
		return nil, err
	}
	if c := a.Certificate; now.After(c.NotAfter) {
		return nil, fmt.Errorf("authority %q has expired on %s: make another, and put its certificate into the bundles", c.Subject, c.NotAfter.Format(time.DateOnly))
	}
	return a, nil
}
