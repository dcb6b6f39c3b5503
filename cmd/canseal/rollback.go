package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"canseal/cmd/internal/appliance"
)

func configRollback() *cobra.Command {
	var at place
	var weaker, bundle, identity bool
	cmd := &cobra.Command{
		Use:   "rollback",
		Short: "make the previous configuration, bundle or device certificate current",
		Long: `Rollback goes back to what was current before settings changed over the air, at once and without a trial: a running
canseald takes it up, else the card is changed. What was current becomes the previous one, so that a second rollback undoes the
first; it is not taken from the bucket again until somebody puts it there anew. Without an option it is the configuration that goes back.
What would weaken the present security (a lower mode, a wider profile, trust that was withdrawn) wants --weaker.`,
		Example: "  canseal config rollback --root /media/card\n  canseal config rollback --bundle --weaker",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			name := "config.yaml"
			switch {
			case bundle && identity:
				return appliance.Usage(errors.New("one of --bundle and --device-cert"))
			case bundle:
				name = "certs_server.p7b"
			case identity:
				name = "device.crt"
			}
			o := appliance.Options{Root: at.root, StateDir: at.state}
			client, err := at.daemon()
			switch {
			case errors.Is(err, appliance.ErrNotRunning):
				err = appliance.RollbackCard(cmd.Context(), o, name, weaker)
			case err == nil:
				err = client.Rollback(cmd.Context(), name, weaker)
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: the previous one is current\n", name)
			return nil
		},
	}
	at.flags(cmd)
	cmd.Flags().BoolVar(&bundle, "bundle", false, "certs_server.p7b instead of config.yaml")
	cmd.Flags().BoolVar(&identity, "device-cert", false, "device.crt instead of config.yaml")
	cmd.Flags().BoolVar(&weaker, "weaker", false, "also when it is weaker than the present one")
	return cmd
}

func configReload() *cobra.Command {
	var at place
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "have a running canseald read the card again",
		Long: `Reload takes a changed config.yaml, certs_server.p7b or device.crt of the card, as a restart does, and without one where it can:
what does not concern recording loses no frame, other splits begin a new segment, and other buses seal the segment and leave a gap.
A file with problems changes nothing. SIGHUP does the same (a canseald that was started in a terminal ends by it).`,
		Example: "  canseal config check && canseal config reload",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := at.daemon()
			if err != nil {
				return err
			}
			if err := client.Reload(cmd.Context()); err != nil {
				return appliance.WithExit(appliance.ExitConfig, err)
			}
			fmt.Fprintln(cmd.OutOrStdout(), "the card was read again")
			return nil
		},
	}
	at.flags(cmd)
	return cmd
}
