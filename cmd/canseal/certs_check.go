package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"canseal/cmd/internal/appliance"
	"canseal/uploader/s3"
)

func certsCheck() *cobra.Command {
	var o appliance.Options
	var server appliance.ServerOptions
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "one handshake with the store: is it trusted, does it take this device?",
		Long: `Check makes one TLS handshake by the rules of a card: its endpoint, trust bundle, names, dates, pins, and in mode high
the device's certificate. No request is sent. In mode low it looks as mode medium would. A server that refuses the device only in
answer to a request, as nginx does, is seen by "canseal s3 check". Exit code 1 when one side does not trust the other.`,
		Example: `  canseal certs check --root /media/card --state /var/lib/canseal
  canseal certs check --endpoint https://store.example:9000 --bundle certs_server.p7b`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := appliance.CheckServer(cmd.Context(), o, server)
			if r.Endpoint == "" {
				return err
			}
			if asJSON {
				if jsonErr := printJSON(cmd.OutOrStdout(), r); jsonErr != nil {
					return jsonErr
				}
			} else {
				printHandshake(cmd.OutOrStdout(), &r, err)
			}
			if err != nil {
				return errReported
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&o.Root, "root", appliance.DefaultRoot, "the card's folder")
	cmd.Flags().StringVar(&o.ConfigFile, "config", "", "configuration file (default ROOT/config.yaml)")
	cmd.Flags().StringVar(&o.StateDir, "state", "", "state folder (default $STATE_DIRECTORY, else ROOT/state)")
	cmd.Flags().StringVar(&server.Endpoint, "endpoint", "", "https://host[:port] instead of the configuration's")
	cmd.Flags().StringVar(&server.Bundle, "bundle", "", "trust bundle instead of the card's")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printHandshake(w io.Writer, r *s3.Report, err error) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%-9s %s\n", name, fmt.Sprintf(format, args...))
	}
	line("endpoint", "%s, mode %s", r.Endpoint, r.Mode)
	if r.Suite != "" {
		line("tls", "%s, %s", r.Version, r.Suite)
	}
	if r.Groups != "" {
		line("suites", "%s", r.Groups)
	}
	for _, c := range r.Chain {
		line("chain", "%s, until %s", printable(c.Subject), c.NotAfter.UTC().Format(time.DateOnly))
	}
	if len(r.Chain) > 0 {
		line("days left", "%d", r.DaysLeft)
	}
	printDevice(w, r)
	if err != nil {
		line("refused", "%s", printable(r.Error))
		line("class", "%s", r.Class)
		return
	}
	line("trusted", "in %d ms", r.Took)
}

// printDevice says what the server wanted to know of the device.
func printDevice(w io.Writer, r *s3.Report) {
	switch {
	case r.Device != nil:
		fmt.Fprintf(w, "%-9s %s, issued by %s, until %s: shown\n", "device", printable(r.Device.Subject), printable(r.Device.Issuer), r.Device.NotAfter.UTC().Format(time.DateOnly))
	case r.Asked:
		fmt.Fprintf(w, "%-9s the server asks for a certificate, and none was shown\n", "device")
	}
}
