package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"canseal/cmd/internal/appliance"
	"canseal/uploader/s3"
)

func s3Command() *cobra.Command {
	cmd := &cobra.Command{Use: "s3", Short: "try the way to the bucket"}
	cmd.AddCommand(s3Check())
	return cmd
}

func s3Check() *cobra.Command {
	var o appliance.Options
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "one handshake and one signed write, with the settings of a card",
		Long: `Check connects to the store as canseald would, with the configuration, the trust bundle and the secret of a card,
and puts DEVICEID/device.json: the one object that the device may always write. It works on a card in a laptop too.
Exit code 1 when the write was refused, with the reason.`,
		Example: "  canseal s3 check\n  canseal s3 check --root /media/card --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			report, err := appliance.CheckStore(cmd.Context(), o)
			if report.Endpoint == "" {
				return err
			}
			if !report.Stored {
				report.Proved = "" // nothing
			}
			if asJSON {
				if jsonErr := printJSON(cmd.OutOrStdout(), report); jsonErr != nil {
					return jsonErr
				}
			} else {
				printStoreReport(cmd.OutOrStdout(), &report)
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
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printStoreReport(w io.Writer, r *s3.Report) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%-9s %s\n", name, fmt.Sprintf(format, args...))
	}
	line("endpoint", "%s, bucket %s, mode %s", r.Endpoint, r.Bucket, r.Mode)
	if r.Suite != "" {
		line("tls", "%s, %s", r.Version, r.Suite)
	}
	for _, c := range r.Chain {
		line("chain", "%s, until %s", printable(c.Subject), c.NotAfter.UTC().Format(time.DateOnly))
	}
	if len(r.Chain) > 0 {
		line("days left", "%d", r.DaysLeft)
	}
	printDevice(w, r)
	if r.SkewMillis != nil {
		line("clock", "the store's is %v from ours", time.Duration(*r.SkewMillis)*time.Millisecond)
	}
	if r.Stored {
		line("write", "%s stored in %d ms, SHA-256 confirmed by the store: %s", r.Key, r.Took, r.Checksum)
		return
	}
	line("write", "%s refused: %s", r.Key, printable(r.Error))
	line("class", "%s", r.Class)
	if r.Message != "" {
		line("server", "%s", printable(r.Message))
	}
}
