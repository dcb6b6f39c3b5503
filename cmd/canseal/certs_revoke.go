package main

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"canseal/certs"
	"canseal/cmd/internal/appliance"
)

// revoking are the flags of `certs revoke`.
type revoking struct {
	ca, caKey, list string
	days            int
}

func certsRevoke() *cobra.Command {
	var o revoking
	cmd := &cobra.Command{
		Use:   "revoke --list FILE [CERTIFICATE...]",
		Short: "shut devices out: put certificates on an authority's revocation list",
		Long: `Revoke writes the authority's revocation list anew: with what it named before, and with the certificates. Without
certificates it only renews the list, which must be done before it is out of date: many servers then shut out every device.
The server must load the new list (nginx: ssl_crl, then reload).`,
		Example: "  canseal certs revoke --ca ca.pem --ca-key ca.key --list devices.crl stolen.crt\n  canseal certs revoke --ca ca.pem --ca-key ca.key --list devices.crl",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.ca == "" || o.caKey == "" || o.list == "" || o.days < 1 || o.days > 3650 {
				return appliance.Usage(errors.New("--ca, --ca-key and --list are needed; --days 1 to 3650"))
			}
			return o.run(cmd, args)
		},
	}
	cmd.Flags().StringVar(&o.ca, "ca", "", "the authority's certificate")
	cmd.Flags().StringVar(&o.caKey, "ca-key", "", "the authority's private key")
	cmd.Flags().StringVar(&o.list, "list", "", "the revocation list, PEM; made where it is absent")
	cmd.Flags().IntVar(&o.days, "days", 30, "how long the list is good")
	return cmd
}

func (o *revoking) run(cmd *cobra.Command, names []string) error {
	now := time.Now()
	a, err := loadAuthority(o.ca, o.caKey, now)
	if err != nil {
		return err
	}
	said := ""
	old, err := readLimited(o.list)
	switch {
	case err == nil:
		err = a.Continue(old)
	case errors.Is(err, fs.ErrNotExist): // what an older list named is not in it
		said, err = "a new list, ", nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", o.list, err)
	}
	for _, name := range names {
		c, err := certificateOf(name)
		if err != nil {
			return err
		}
		if c.Equal(a.Certificate) {
			return fmt.Errorf("%s: the authority's own certificate: servers would shut out every device, for good; name the devices' certificates", name)
		}
		if !a.Issued(c) {
			return fmt.Errorf("%s: %q was not issued by %q, so its list does not concern it", name, c.Subject, a.Certificate.Subject)
		}
		a.Revoke(c, now)
	}
	der, err := a.List(now, time.Duration(o.days)*24*time.Hour)
	if err != nil {
		return err
	}
	if err := writeWhole(o.list, certs.EncodeList(der), true); err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s: %s%d revoked, good until %s\n", o.list, said, a.Revoked(), now.AddDate(0, 0, o.days).Format(time.DateOnly))
	return nil
}
