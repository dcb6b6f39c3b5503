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
	cmd.AddCommand(s3Check(), s3Policy())
	return cmd
}

func s3Check() *cobra.Command {
	var o appliance.Options
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "one handshake and one signed write, with the settings of a card, and what the store can do",
		Long: `Check connects to the store as canseald would, with the configuration, the trust bundle and the secret of a card,
and puts DEVICEID/device.json: the one object that the device may always write. It works on a card in a laptop too.
Then it tries what the store compares, and which rights the key pair has: all that are needed, and none beyond. What is tried beyond them could do nothing if it were allowed.
Exit code 1 when the write was refused, with the reason, or when a right is missing.`,
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
			if err != nil || report.Probe != nil && report.Probe.Lacks() {
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
	if r.SkewMillis != nil {
		line("clock", "the store's is %v from ours", time.Duration(*r.SkewMillis)*time.Millisecond)
	}
	if r.Stored {
		line("write", "%s stored in %d ms, SHA-256 confirmed by the store: %s", r.Key, r.Took, r.Checksum)
		printProbe(w, r.Probe)
		return
	}
	line("write", "%s refused: %s", r.Key, printable(r.Error))
	line("class", "%s", r.Class)
	if r.Message != "" {
		line("server", "%s", printable(r.Message))
	}
	printProbe(w, r.Probe)
}

// printProbe prints what the store can do, and the lines of config.yaml that
// spare the daemon to find out.
func printProbe(w io.Writer, p *s3.Probe) {
	if p == nil {
		return
	}
	yes := map[bool]string{true: "yes", false: "no"}
	fmt.Fprintf(w, "%-9s refuses a taken key: %s, of a completed upload: %s; compares: %s, of parts: %s\n", "store",
		yes[p.IfNoneMatch], yes[p.ConditionalComplete], p.Checksum, p.MultipartChecksum)
	for _, r := range p.Rights {
		switch {
		case r.Error != "":
			fmt.Fprintf(w, "%-9s %s: cannot tell: %s\n", "right", r.What, printable(r.Error))
		case r.Needed && !r.Given:
			fmt.Fprintf(w, "%-9s %s: MISSING\n", "right", r.What)
		case r.Given && !r.Needed:
			fmt.Fprintf(w, "%-9s %s: one too many (canseal s3 policy)\n", "right", r.What)
		}
	}
	if p.Checksum == "none" {
		fmt.Fprintf(w, "%-9s the store proves nothing of what it holds: no segment can be confirmed\n", "advice")
		return
	}
	q := p.Quirks()
	if q.MultipartChecksum == "none" {
		fmt.Fprintf(w, "%-9s log.split_size at most 16MB: the store takes no larger segment\n", "advice")
		q.MultipartChecksum = "auto"
	}
	fmt.Fprintf(w, "config.yaml:\n  upload:\n    quirks: {if_none_match: \"%s\", checksum: %s, multipart_checksum: %s}\n", q.IfNoneMatch, q.Checksum, q.MultipartChecksum)
}
