package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"canseal/cancrypt"
	"canseal/cancrypt/node"
	"canseal/cmd/internal/appliance"
	"canseal/internal/terminal"
)

func keysCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "the CANcrypt key slots of this box",
		Long: `Keys looks after the key slots in the state folder: six per bus, whose number is their level. 6 manufacturer, 5 supplier,
4 integrator, 3 group, 2 owner, 1 session. No command gives out a key, nor anything computed from one: whether two boxes
hold the same key shows when they pair, or when a group's heartbeats verify. What changes here counts for canseald from
its next start.`,
	}
	cmd.AddCommand(keysInit(), keysList(), keysNew(), keysErase(), keysProvision())
	return cmd
}

// store is the key store of a place.
func (p *place) store() node.Store { return appliance.Keys(p.stateDir()) }

func keysInit() *cobra.Command {
	var at place
	cmd := &cobra.Command{
		Use:   "init",
		Short: "make the key store, and say for whom to encrypt keys",
		Long: `Init makes the store without keys, and an age identity that never leaves the state folder. It prints the recipient:
whoever brings keys to this box encrypts them for it. What is there already is kept.`,
		Example: "  canseal keys init --state /var/lib/canseal\n  age -r $(canseal keys init) -o box.age keys.json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := os.MkdirAll(at.stateDir(), 0o700); err != nil {
				return err
			}
			recipient, made, err := at.store().Init()
			if err != nil {
				return err
			}
			if made {
				fmt.Fprintf(cmd.ErrOrStderr(), "made in %s; keys for this box are encrypted for this recipient:\n", at.stateDir())
			}
			fmt.Fprintln(cmd.OutOrStdout(), recipient)
			return nil
		},
	}
	at.flags(cmd)
	return cmd
}

func keysList() *cobra.Command {
	var at place
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "list the slots that hold a key",
		Long:    "List names the slots that hold a key, with their level's owner, where the key is from and since when. Never the key.",
		Example: "  canseal keys list\n  canseal keys list --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			rows, err := keyRows(cmd.Context(), &at)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), rows)
			}
			printKeys(cmd.OutOrStdout(), rows)
			return nil
		},
	}
	at.flagsFar(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func keyRows(ctx context.Context, at *place) ([]appliance.KeyRow, error) {
	if !at.far() {
		return appliance.KeyRows(at.store())
	}
	client, err := at.daemon()
	if err != nil {
		return nil, err
	}
	return client.Keys(ctx)
}

func printKeys(w io.Writer, rows []appliance.KeyRow) {
	if len(rows) == 0 {
		fmt.Fprintln(w, "no keys")
		return
	}
	fmt.Fprintf(w, "%-4s  %-12s  %-20s  %-11s  %s\n", "SLOT", "LEVEL OF", "HOLDER", "FROM", "SINCE")
	for _, r := range rows {
		fmt.Fprintf(w, "%-4d  %-12s  %-20s  %-11s  %s\n", r.Slot, r.Name, r.Holder(), r.From, r.At.Format(time.RFC3339))
	}
}

// holderFlags choose whose slots are meant.
func holderFlags(cmd *cobra.Command, h *node.Holder) {
	cmd.Flags().StringVar(&h.Bus, "bus", "", "interface whose own key is meant (default: the key of every bus)")
	cmd.Flags().Uint8Var(&h.Device, "device", 0, "address of the device that a configurator holds the key for (default: this box's own key)")
}

func keysNew() *cobra.Command {
	var at place
	var h node.Holder
	cmd := &cobra.Command{
		Use:   "new SLOT",
		Short: "make a key of this box's own",
		Long: `New fills an empty slot of this box with a random key, that of a new group for instance; canseal pair --preset brings it to
the devices.`,
		Example: "  canseal keys new --bus can0 3 && canseal pair --interface can0 --device 7 --on 4 --erase 3 --save 3 --preset 3",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			slots, err := slotNumbers(args)
			if err != nil {
				return appliance.Usage(err)
			}
			if err := os.MkdirAll(at.stateDir(), 0o700); err != nil {
				return err
			}
			if err := at.store().Make(h, slots[0]); err != nil {
				return taken(err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "slot %d of %v: made\n", slots[0], h)
			return nil
		},
	}
	at.flags(cmd)
	cmd.Flags().StringVar(&h.Bus, "bus", "", "interface whose key is meant (default: the key of every bus)")
	return cmd
}

// taken says how a slot is emptied that was in the way.
func taken(err error) error {
	if errors.Is(err, cancrypt.ErrTaken) {
		return fmt.Errorf("%w: erase it first (canseal keys erase)", err)
	}
	return err
}

func keysErase() *cobra.Command {
	var at place
	var h node.Holder
	var yes bool
	cmd := &cobra.Command{
		Use:   "erase SLOT...",
		Short: "erase keys of this box",
		Long: `Erase removes keys from the state folder. A device that holds the same key keeps it: canseal pair --erase empties its slot.
The file is written anew without the key; what a disk or a card keeps of the old one is beyond a program's reach.`,
		Example: "  canseal keys erase 3\n  canseal keys erase --bus can0 --device 7 2 1 --yes",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			slots, err := slotNumbers(args)
			if err != nil {
				return appliance.Usage(err)
			}
			if !yes {
				if err := confirm(cmd, fmt.Sprintf("Erase slot %s of %v? Nobody can bring it back. yes/no: ", strings.Join(args, ", "), h)); err != nil {
					return err
				}
			}
			return eraseKeys(cmd, &at, h, slots)
		},
	}
	at.flagsFar(cmd)
	holderFlags(cmd, &h)
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

// eraser erases a key here, or on another machine.
func eraser(cmd *cobra.Command, at *place) (func(h node.Holder, slot uint8) (bool, error), error) {
	if !at.far() {
		return at.store().Erase, nil
	}
	client, err := at.daemon()
	if err != nil {
		return nil, err
	}
	return func(h node.Holder, slot uint8) (bool, error) {
		return client.EraseKey(cmd.Context(), h.Bus, h.Device, slot)
	}, nil
}

func eraseKeys(cmd *cobra.Command, at *place, h node.Holder, slots []uint8) error {
	erase, err := eraser(cmd, at)
	if err != nil {
		return err
	}
	w, missing := cmd.OutOrStdout(), false
	for _, id := range slots {
		found, err := erase(h, id)
		if err != nil {
			return err
		}
		what := "erased"
		if !found {
			what, missing = "no key", true
		}
		fmt.Fprintf(w, "slot %d of %v: %s\n", id, h, what)
	}
	if missing {
		return errReported
	}
	return nil
}

// slotNumbers reads slots, 1 to 6.
func slotNumbers(args []string) (slots []uint8, err error) {
	for _, a := range args {
		if len(a) != 1 || a[0] < '1' || a[0] > '0'+cancrypt.MaxSlots {
			return nil, fmt.Errorf("slot: found %q, wanted 1 to %d", a, cancrypt.MaxSlots)
		}
		slots = append(slots, a[0]-'0')
	}
	return slots, nil
}

// confirm asks a person, and is an error for any answer but yes.
func confirm(cmd *cobra.Command, question string) error {
	if in, ok := cmd.InOrStdin().(*os.File); !ok || !isTerminal(in) {
		return appliance.Usage(errors.New("there is nobody to ask: wanted --yes"))
	}
	fmt.Fprint(cmd.ErrOrStderr(), question)
	answer, err := bufio.NewReader(io.LimitReader(cmd.InOrStdin(), 100)).ReadString('\n')
	if err != nil || strings.TrimSpace(answer) != "yes" {
		return errors.New("nothing was done")
	}
	return nil
}

func keysProvision() *cobra.Command {
	var at place
	var ask bool
	var file string
	cmd := &cobra.Command{
		Use:   "provision FILE",
		Short: "take up keys from an age file",
		Long: `Provision takes up the keys of a file that is encrypted with age: for this box (keys init prints the recipient), or with
a passphrase. All of them are taken or none; a slot that holds another key must be erased first. - is standard input.
Encryption does not say who made the file: take it from whom you trust. Its content (docs/formats.md C10):

  {"version": 1, "keys": [{"slot": 3, "key": "32 hexadecimal digits", "bus": "can0", "device": 7}]}

bus and device may be missing: every bus, this box's own key. Delete the file when every box has its keys.`,
		Example: "  canseal keys provision box.age\n  canseal keys provision --passphrase-file secret.txt fleet.age",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			passphrase, err := passphraseOf(cmd, ask, file)
			if err != nil {
				return err
			}
			in := cmd.InOrStdin()
			if args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return err
				}
				defer f.Close()
				in = f
			}
			if err := os.MkdirAll(at.stateDir(), 0o700); err != nil {
				return err
			}
			return provision(cmd.OutOrStdout(), at.store(), in, passphrase)
		},
	}
	at.flags(cmd)
	cmd.Flags().BoolVar(&ask, "passphrase", false, "the file is encrypted with a passphrase: ask for it")
	cmd.Flags().StringVar(&file, "passphrase-file", "", "the same, and this file holds it in one line")
	return cmd
}

func provision(w io.Writer, s node.Store, in io.Reader, passphrase string) error {
	entries, err := s.Provision(in, passphrase)
	if err != nil {
		return taken(err)
	}
	for _, e := range entries {
		fmt.Fprintf(w, "slot %d of %v: there\n", e.Slot, e.Holder())
	}
	return nil
}

// maxPassphrase bounds a passphrase in bytes.
const maxPassphrase = 1024

// passphraseOf is the passphrase that is wanted, "" for none.
func passphraseOf(cmd *cobra.Command, ask bool, file string) (string, error) {
	if file == "" && !ask {
		return "", nil
	}
	if file == "" {
		return terminal.ReadSecret(cmd.Context(), "Passphrase: ")
	}
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxPassphrase+1))
	text := strings.TrimRight(string(b), "\r\n")
	if err == nil && (text == "" || len(b) > maxPassphrase || strings.ContainsAny(text, "\r\n")) {
		err = fmt.Errorf("%s: wanted a passphrase in one line of at most %d bytes", file, maxPassphrase)
	}
	return text, err
}
