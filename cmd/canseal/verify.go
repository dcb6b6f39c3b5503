package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"canseal/cmd/internal/appliance"
	"canseal/cmd/internal/reach"
	"canseal/cmd/internal/vouch"
	"canseal/internal/durable"
	"canseal/segment"
)

// verification is what the command line of verify says.
type verification struct {
	vouch  vouch.Flags
	s3     reach.Flags
	asJSON bool
}

func verifyCommand() *cobra.Command {
	var o verification
	cmd := &cobra.Command{
		Use:   "verify PATH|s3://BUCKET/PREFIX",
		Short: "check that segments are whole, in order, unchanged, and signed by their device",
		Long: `Verify holds every sealed segment against its seal line, every line against the one before it, and its signature
against the device's key. PATH is the card, or a folder or file on it. In a bucket the lines are in the metadata of the
objects; each object is read once, PREFIX is a folder or empty.

  signed       unchanged, and signed by a key that --device-cert or --ca vouches for; without them by the key of the
               device.crt beside the segments, "not checked against anything": whoever changed the segments may have
               put that there too
  consistent   size, hash and chain agree: nothing was changed since, unless all of it was
  altered      the bytes are not those that were sealed, or the line is not the one that was signed
  extra        a segment without a line, or with that of another
  missing      sealed, and not here: deleted after upload, not uploaded yet, or taken away
  unsealed     being written, or cut by a power failure: see canseal repair

Remarks: late (line made at the next start), renumbered (its folder got another number), cut (by a power failure).
Exit code 1 when anything is altered or extra, or when the chain of lines is broken; with --device-cert or --ca also
when a segment is not signed as they want. What was missing last of all only device.json can tell, and that is a claim.`,
		Example: `  canseal verify /media/card
  canseal verify --ca devices-ca.pem /media/card
  canseal verify --device-cert device.crt --json /media/card/LOG
  canseal verify --ca devices-ca.pem --s3-config config.yaml s3://trucks/fleet/A1B2C3D4`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			err := o.run(cmd.Context(), cmd.OutOrStdout(), args[0])
			var lacking *reach.UsageError
			if errors.As(err, &lacking) {
				return appliance.Usage(err)
			}
			return err
		},
	}
	o.vouch.Register(cmd)
	o.s3.Register(cmd)
	cmd.Flags().BoolVar(&o.asJSON, "json", false, "print JSON")
	return cmd
}

func (o *verification) run(ctx context.Context, w io.Writer, path string) error {
	witness, err := o.vouch.Load(time.Now())
	if err != nil {
		return err
	}
	var all []segment.Verification
	if strings.HasPrefix(path, "s3://") {
		all, err = o.bucket(ctx, path, witness)
	} else if path, err = cardRoot(path); err == nil {
		all, err = verifyCard(path, witness)
	}
	if err != nil {
		return err
	}
	if o.asJSON {
		err = printJSON(w, all)
	} else {
		printVerifications(w, path, all)
	}
	if err == nil && slices.ContainsFunc(all, func(v segment.Verification) bool { return !v.OK() }) {
		err = errReported
	}
	return err
}

func verifyCard(root string, witness *vouch.Witness) ([]segment.Verification, error) {
	card := segment.Card{FS: durable.Dir(root)}
	devices, err := segment.Devices(card)
	if err != nil {
		return nil, err
	}
	facts, _ := os.ReadFile(filepath.Join(root, "device.json")) // none is no fault
	all := []segment.Verification{}
	for _, card.Device = range devices {
		trust, besideErr := witness.Trust(card.Device, vouch.Beside(card.FS))
		trust.Head = headOf(facts, card.Device)
		v, err := card.Verify(trust)
		if err != nil {
			return nil, err
		}
		if besideErr != nil {
			v.Notes = append(v.Notes, besideErr.Error())
		}
		all = append(all, v)
	}
	return all, nil
}

// headOf reads from a device.json which seal line is the last one of a device.
func headOf(facts []byte, d segment.Device) string {
	var f struct {
		ID  string
		Log struct{ Seal struct{ Head string } }
	}
	if json.Unmarshal(facts, &f) != nil || f.ID != string(d) {
		return ""
	}
	return f.Log.Seal.Head
}

// cardRoot finds the folder that holds LOG, at path or above it.
func cardRoot(path string) (string, error) {
	if _, err := os.Stat(path); err != nil {
		return "", err
	}
	for dir := absolute(path); ; dir = filepath.Dir(dir) {
		if info, err := os.Stat(filepath.Join(dir, "LOG")); err == nil && info.IsDir() {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("%s: wanted a card: found no folder LOG there or above", path)
		}
	}
}

func printVerifications(w io.Writer, place string, all []segment.Verification) {
	if len(all) == 0 {
		fmt.Fprintf(w, "%s: no segments\n", place)
	}
	for _, v := range all {
		fmt.Fprintf(w, "device %s on %s\n", v.Device, place)
		count, keys, unsigned := map[segment.Standing]int{}, map[string]int{}, 0
		for _, f := range v.Findings {
			count[f.Standing]++
			if f.Key != "" && f.Standing != segment.Altered {
				keys["by key SHA-256 "+f.Key+": "+cmp.Or(f.By, "not known here")]++
			}
			if f.Key == "" && f.Standing == segment.Consistent {
				unsigned++
			}
			fmt.Fprintf(w, "  %s  %-11s %10d frames  %d lost  %s\n", f.Segment, f.Standing, f.Frames, f.Lost, strings.Join(f.Remarks, ", "))
		}
		for _, by := range slices.Sorted(maps.Keys(keys)) {
			fmt.Fprintf(w, "  signatures: %d %s\n", keys[by], printable(by))
		}
		if v.Required && unsigned > 0 {
			fmt.Fprintf(w, "  not signed: %d, as are those that a device seals before it has its key\n", unsigned)
		}
		for _, n := range v.Notes {
			fmt.Fprintf(w, "  note: %s\n", printable(n))
		}
		for _, b := range v.Breaks {
			fmt.Fprintf(w, "  chain broken: %s\n", printable(b))
		}
		fmt.Fprintf(w, "  %s\n", summary(v, count))
	}
}

func summary(v segment.Verification, count map[segment.Standing]int) string {
	var words []string
	for _, s := range []segment.Standing{segment.Signed, segment.Consistent, segment.Altered, segment.Extra, segment.Missing, segment.Unsealed} {
		if count[s] > 0 {
			words = append(words, fmt.Sprintf("%d %s", count[s], s))
		}
	}
	return strings.Join(words, ", ") + ": " + verdict(v, count)
}

func verdict(v segment.Verification, count map[segment.Standing]int) string {
	words := "whole, in order, unchanged since they were sealed"
	switch {
	case !v.OK() && v.Required && count[segment.Altered]+count[segment.Extra]+len(v.Breaks) == 0:
		return "NOT all signed by whom you trust"
	case !v.OK():
		return "NOT as they were sealed"
	case count[segment.Consistent]+count[segment.Signed] == 0:
		return "nothing here is sealed"
	case v.Required:
		words += ", signed by their device"
	}
	if count[segment.Missing] > 0 {
		return "what is here is " + words
	}
	return words
}
