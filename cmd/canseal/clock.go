package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"canseal/cmd/internal/appliance"
)

func clockCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "clock", Short: "show the time by which certificates are judged; undo a time that lied"}
	cmd.AddCommand(clockShow(), clockResetFloor())
	return cmd
}

func clockShow() *cobra.Command {
	var at place
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show",
		Short: "the clock of this machine, and the floors of the state folder",
		Long: `Show prints the clock of this machine and the trust floor. Certificates are judged by the later of both.
The floor is the build time, or the local time of the last signed request that the store has accepted over a verified connection. Nothing else raises it.`,
		Example: "  canseal clock show\n  canseal clock show --state /var/lib/canseal --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			facts, err := appliance.ReadClock(at.stateDir())
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), facts)
			}
			printClock(cmd.OutOrStdout(), facts)
			return nil
		},
	}
	at.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printClock(w io.Writer, f appliance.ClockFacts) {
	state, won := "not synchronised", "the build time"
	if f.Synchronised {
		state = "synchronised"
	}
	if f.Won {
		won = "a signed request that the store accepted over a verified connection"
	}
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%-12s %s\n", name, fmt.Sprintf(format, args...))
	}
	line("wall", "%s, %s, source: %s", f.Wall.Format(time.RFC3339), state, f.Source)
	line("trust floor", "%s, %s", f.TrustFloor.Format(time.RFC3339), won)
	line("trusted", "%s: certificates are judged by this time", f.Trusted.Format(time.RFC3339))
	if !f.Known.IsZero() {
		line("last known", "%s", f.Known.Format(time.RFC3339))
	}
}

func clockResetFloor() *cobra.Command {
	var at place
	cmd := &cobra.Command{
		Use:     "reset-floor",
		Short:   "lower the trust floor to the build time",
		Long:    "Reset-floor undoes a trust floor that was raised under a time that lied. It works on a running canseald, and on the state folder of one that is stopped.",
		Example: "  canseal clock reset-floor --state /var/lib/canseal",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := appliance.ResetTrustFloor(cmd.Context(), at.stateDir()); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), "the trust floor is the build time again")
			return nil
		},
	}
	at.flags(cmd)
	return cmd
}
