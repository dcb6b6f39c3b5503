package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"canseal/cmd/internal/appliance"
	"canseal/link/control"
)

// mayGoFar marks commands that may ask the daemon of another machine.
const mayGoFar = "reaches another machine"

// flagsFar are the flags of a command that may do so.
func (p *place) flagsFar(cmd *cobra.Command) {
	p.flags(cmd)
	cmd.Annotations = map[string]string{mayGoFar: "yes"}
}

// remoteFlags choose another machine. Commands that work on the box alone refuse
// them.
func remoteFlags(root *cobra.Command) {
	root.PersistentFlags().String("remote", "", "ask the canseald at `HOST:PORT` instead of this machine's (its link.control)")
	root.PersistentFlags().String("token-file", "", "`file` with the token of --remote (default $CANSEAL_TOKEN_FILE, else canseal/auth-token in the user's configuration)")
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		if flagOf(cmd, "remote") != "" && cmd.Annotations[mayGoFar] == "" {
			return appliance.ErrFar()
		}
		return nil
	}
}

func flagOf(cmd *cobra.Command, name string) string {
	if cmd == nil {
		return ""
	}
	value, err := cmd.Flags().GetString(name)
	if err != nil {
		return "" // it has none
	}
	return value
}

// tokenFile is where this user's token stands.
func tokenFile(cmd *cobra.Command) (string, error) {
	if file := flagOf(cmd, "token-file"); file != "" {
		return file, nil
	}
	if file := os.Getenv("CANSEAL_TOKEN_FILE"); file != "" {
		return file, nil
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("token: %w: wanted --token-file", err)
	}
	return filepath.Join(dir, "canseal", "auth-token"), nil
}

func dialRemote(cmd *cobra.Command) (*appliance.Client, error) {
	if _, _, err := net.SplitHostPort(flagOf(cmd, "remote")); err != nil {
		return nil, appliance.Usage(fmt.Errorf("--remote: found %q, wanted HOST:PORT", flagOf(cmd, "remote")))
	}
	file, err := tokenFile(cmd)
	if err != nil {
		return nil, err
	}
	token, err := appliance.ReadToken(file)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithTimeout(cmd.Context(), 15*time.Second)
	defer stop()
	client, err := appliance.DialRemote(ctx, flagOf(cmd, "remote"), token)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flagOf(cmd, "remote"), err)
	}
	return client, nil
}

func tokenCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "auth-token",
		Short: "make a token for remote control, and say where it belongs",
		Long: `Auth-token prints a fresh random token and the files that it belongs into: one on the logger, one on each machine that asks
it with --remote. Nothing is written. Whoever has the token reads what the logger tells, and does what its link.control.commands
permit.`,
		Example: "  canseal auth-token\n  canseal --remote 192.0.2.7:4646 status",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			token, err := control.NewToken(rand.Reader)
			if err != nil {
				return err
			}
			here, err := tokenFile(cmd)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), `This is a random token that nobody else has. Keep it secret: write it into these files with an editor, since the shell
remembers what was typed on its command line. Each file has mode 0600 and this one line:

%s

On the logger, /etc/canseal/auth-token, of the user that canseald runs as (canseal). And in its config.yaml, with the
address at which others reach it:

  link:
    control: {listen: 0.0.0.0:4646, token: {file: /etc/canseal/auth-token}}

On each machine that asks it, %[2]s, of the user who asks. Then:

  canseal --remote LOGGER:4646 status
`, token, here)
			return nil
		},
	}
}

func tailCommand() *cobra.Command {
	var at place
	var bus, id string
	var judged bool
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "show frames and their verdicts as they are recorded",
		Long: `Tail prints each frame that the running canseald records as a line of candump text, and its verdict where the bus is judged.
Recording does not wait for it: what is too much is left out, and counted.`,
		Example: "  canseal tail\n  canseal tail --bus can0 --id 123\n  canseal --remote 192.0.2.7:4646 tail --judged",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := at.daemon()
			if err != nil {
				return err
			}
			return client.Tail(cmd.Context(), cmd.OutOrStdout(), bus, id, judged)
		},
	}
	at.flagsFar(cmd)
	cmd.Flags().StringVar(&bus, "bus", "", "only this `bus`: its interface or number")
	cmd.Flags().StringVar(&id, "id", "", "only this identifier, in `hex`")
	cmd.Flags().BoolVar(&judged, "judged", false, "only frames with a verdict")
	return cmd
}

func configShow() *cobra.Command {
	var at place
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "show",
		Short:   "list the settings that are not the default; secrets are hidden",
		Example: "  canseal config show\n  canseal --remote 192.0.2.7:4646 config show --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			rows, err := settingsOf(cmd.Context(), &at)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), rows)
			}
			for _, r := range rows {
				fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", r.Path, printable(r.Value))
			}
			return nil
		},
	}
	at.flagsFar(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// settingsOf asks the daemon, else reads the card.
func settingsOf(ctx context.Context, at *place) ([]appliance.SettingRow, error) {
	client, err := at.daemon()
	if err == nil {
		return client.Settings(ctx)
	}
	if at.far() || !errors.Is(err, appliance.ErrNotRunning) {
		return nil, err
	}
	return appliance.ShownSettings(filepath.Join(at.root, "config.yaml"))
}
