package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"canseal/certs"
	"canseal/cmd/internal/appliance"
)

func certsCSR() *cobra.Command {
	var o appliance.Options
	var kind, out string
	var fresh bool
	cmd := &cobra.Command{
		Use:   "csr",
		Short: "ask for a certificate for this device",
		Long: `Csr writes a certificate request (PKCS#10, PEM) for the DEVICEID of a card. The key is made in the state folder (that of
canseald, not one on the card) where there is none, and never leaves it. With --output and a certificate in use, its signature of the request goes beside it
(FILE.p7s): it shows that the request comes from this very device. What comes back goes on the card as device.crt.`,
		Example: "  canseal certs csr --root /media/card --state /var/lib/canseal -o device.csr\n  canseal certs csr --new -o device.csr",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			k, err := keyKind(kind)
			if err != nil {
				return err
			}
			r, err := appliance.RequestCertificate(o, k, fresh)
			if err != nil {
				return err
			}
			if err := writeOut(cmd, out, r.PEM); err != nil || out == "" {
				return err
			}
			if r.Signature != nil {
				if err := writeWhole(out+".p7s", r.Signature, false); err != nil {
					return err
				}
			}
			printRequest(cmd, r, out)
			return nil
		},
	}
	cmd.Flags().StringVar(&o.Root, "root", appliance.DefaultRoot, "the card's folder")
	cmd.Flags().StringVar(&o.ConfigFile, "config", "", "configuration file (default ROOT/config.yaml)")
	cmd.Flags().StringVar(&o.StateDir, "state", "", "state folder (default $STATE_DIRECTORY, else ROOT/state)")
	cmd.Flags().StringVar(&kind, "key", string(certs.KeyP256), "kind of key to make: "+keyKinds())
	cmd.Flags().BoolVar(&fresh, "new", false, "ask with a new key; the present one stays in use until the new certificate is on the card")
	cmd.Flags().StringVarP(&out, "output", "o", "", "file to write; it must not exist (default: standard output)")
	return cmd
}

func printRequest(cmd *cobra.Command, r *appliance.CertificateRequest, out string) {
	made := "already in the state folder " + r.State
	if r.Made {
		made = "made now, in the state folder " + r.State
	}
	w := cmd.OutOrStdout()
	fmt.Fprintf(w, "%s: request of %s; its key %s was %s\n", out, r.Device, r.Key, made)
	if r.Signature != nil {
		fmt.Fprintf(w, "%s.p7s: signed by the certificate in use\n", out)
	}
}

func keyKind(text string) (certs.KeyKind, error) {
	if k := certs.KeyKind(text); slices.Contains(certs.KeyKinds(), k) {
		return k, nil
	}
	return "", appliance.Usage(fmt.Errorf("--key %q: wanted %s", text, keyKinds()))
}

func keyKinds() string {
	var names []string
	for _, k := range certs.KeyKinds() {
		names = append(names, string(k))
	}
	return strings.Join(names, ", ")
}
