package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"canseal/certs"
)

// inspection is what `certs inspect --json` says of a file.
type inspection struct {
	File         string              `json:"file"`
	FileSHA256   string              `json:"file_sha256,omitempty"`
	SetSHA256    string              `json:"set_sha256,omitempty"`
	Cleared      bool                `json:"cleared"`
	Certificates []certs.Certificate `json:"certificates"`
	Revoked      int                 `json:"revoked"` // certificates that its lists name
	Notes        []string            `json:"notes"`
	Reason       certs.Reason        `json:"reason,omitempty"` // why it would be refused as a bundle
	Error        string              `json:"error,omitempty"`
}

func certsInspect() *cobra.Command {
	var asJSON bool
	var o certs.BundleOptions
	cmd := &cobra.Command{
		Use:   "inspect FILE...",
		Short: "show what a file of certificates holds, and whether it would do as a trust bundle",
		Long: `Inspect reads PKCS#7 (.p7b), PEM, DER and base64 of them as canseald reads certs_server.p7b, and says of each
certificate who it is, how long it is good, and what stands against it. Exit code 1 when a file would be refused.`,
		Example: "  canseal certs inspect /media/card/certs_server.p7b\n  canseal certs inspect ca.pem device.crt",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var results []inspection
			bad := false
			for _, name := range args {
				r, b, err := inspect(name, o)
				if err != nil {
					return err
				}
				bad = bad || r.Error != ""
				if results = append(results, r); !asJSON {
					printInspection(cmd.OutOrStdout(), &r, b)
				}
			}
			if asJSON {
				if err := printJSON(cmd.OutOrStdout(), results); err != nil {
					return err
				}
			}
			if bad {
				return errReported
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().IntVar(&o.MinRSABits, "min-rsa-bits", 2048, "the smallest RSA key, as tls.min_rsa_bits says")
	cmd.Flags().BoolVar(&o.WarnDuplicateIssuer, "warn-duplicate-issuer", false, "as tls.duplicate_issuer: warn")
	return cmd
}

// inspect reads one file; the error is for one that cannot be opened.
func inspect(name string, o certs.BundleOptions) (inspection, *certs.Bundle, error) {
	r := inspection{File: name, Certificates: []certs.Certificate{}, Notes: []string{}}
	text, err := readLimited(name)
	if err != nil {
		return r, nil, err
	}
	b, err := certs.InspectBundle(text, o)
	if err != nil {
		r.Error = err.Error()
		var e *certs.BundleError
		if errors.As(err, &e) {
			r.Reason = e.Reason
		}
	}
	if b != nil {
		r.FileSHA256, r.SetSHA256, r.Cleared, r.Revoked = b.FileSHA256, b.SetSHA256, b.Cleared, b.Revocations()
		r.Certificates, r.Notes = append(r.Certificates, b.Certificates...), append(r.Notes, b.Notes...)
	}
	return r, b, nil
}

func printInspection(w io.Writer, r *inspection, b *certs.Bundle) {
	fmt.Fprintf(w, "%s: %d certificates, %d revoked\n", r.File, len(r.Certificates), r.Revoked)
	if r.FileSHA256 != "" {
		fmt.Fprintf(w, "  file      sha256 %s\n", r.FileSHA256)
	}
	for _, c := range r.Certificates {
		fmt.Fprintln(w)
		describe(w, c.X509)
		for _, f := range c.Flags {
			fmt.Fprintf(w, "  %-9s %s\n", f, certs.FlagMeaning(f))
		}
	}
	if b != nil {
		for _, l := range b.Lists() {
			printList(w, l)
		}
	}
	for _, n := range r.Notes {
		fmt.Fprintf(w, "  note: %s\n", printable(n))
	}
	switch {
	case r.Error != "":
		fmt.Fprintf(w, "refused: %s\n", printable(r.Error))
	case r.Cleared:
		fmt.Fprintln(w, "empty: nothing is trusted")
	}
}

func printList(w io.Writer, l *x509.RevocationList) {
	fmt.Fprintf(w, "\n  list of   %s, %d revoked, good until %s\n", printable(l.Issuer.String()), len(l.RevokedCertificateEntries), l.NextUpdate.UTC().Format(time.DateOnly))
}

func certsBundle() *cobra.Command {
	var out string
	var der bool
	var o certs.BundleOptions
	cmd := &cobra.Command{
		Use:   "bundle -o certs_server.p7b FILE...",
		Short: "make a trust bundle of certificates and revocation lists",
		Long: `Bundle puts the certificates and revocation lists of the files (PEM, DER, PKCS#7) into one PKCS#7 file, as
"openssl crl2pkcs7" does, and refuses what canseald would refuse.`,
		Example: "  canseal certs bundle -o certs_server.p7b old-ca.pem new-ca.pem\n  canseal certs bundle -o certs_server.p7b ca.pem servers.crl",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			file, b, err := makeBundle(args, der, o)
			if err != nil {
				return err
			}
			if err := writeOut(cmd, out, file); err != nil || out == "" {
				return err
			}
			w := cmd.OutOrStdout()
			fmt.Fprintf(w, "%s: %d certificates, %d revoked, good for %d days, sha256 %s\n", out, len(b.Certificates), b.Revocations(), b.DaysLeft(time.Now()), b.FileSHA256)
			for _, n := range b.Notes {
				fmt.Fprintf(w, "note: %s\n", printable(n))
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "file to write; it must not exist (default: standard output)")
	cmd.Flags().BoolVar(&der, "der", false, "write DER instead of PEM")
	cmd.Flags().IntVar(&o.MinRSABits, "min-rsa-bits", 2048, "the smallest RSA key, as tls.min_rsa_bits says")
	cmd.Flags().BoolVar(&o.WarnDuplicateIssuer, "warn-duplicate-issuer", false, "as tls.duplicate_issuer: warn")
	return cmd
}

// makeBundle gathers files and reads the result as canseald would.
func makeBundle(names []string, der bool, o certs.BundleOptions) ([]byte, *certs.Bundle, error) {
	var list []*x509.Certificate
	var lists []*x509.RevocationList
	for _, name := range names {
		more, crls, err := certificatesOf(name)
		if err != nil {
			return nil, nil, err
		}
		list, lists = append(list, more...), append(lists, crls...)
	}
	encode := certs.EncodeBundlePEM
	if der {
		encode = certs.EncodeBundle
	}
	file, err := encode(list, lists...)
	if err != nil {
		return nil, nil, err
	}
	b, err := certs.LoadBundle(file, o)
	return file, b, err
}
