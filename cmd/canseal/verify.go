package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"canseal/cmd/internal/appliance"
	"canseal/internal/durable"
	"canseal/segment"
)

func verifyCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "verify PATH",
		Short: "check that a card's segments are whole, in order and unchanged",
		Long: `Verify holds every sealed segment against its line in seal.log, and every line against the one before it.
PATH is the card, or a folder or file on it.

  consistent   size, hash and chain agree: nothing was changed since, unless all of it was
  signed       the same, and the line carries a signature (this version does not check it)
  altered      the bytes are not those that were sealed
  extra        a segment without a line
  missing      a line without its segment: deleted after upload, or taken away
  unsealed     being written, or cut by a power failure: see canseal repair

Exit code 1 when anything is altered or extra, or when the chain of lines is broken.`,
		Example: "  canseal verify /media/card\n  canseal verify --json /media/card/LOG",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return verify(cmd.OutOrStdout(), args[0], asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func verify(w io.Writer, path string, asJSON bool) error {
	if strings.HasPrefix(path, "s3://") {
		return appliance.Usage(fmt.Errorf("%s: reading a bucket is not in this version", path))
	}
	root, err := cardRoot(path)
	if err != nil {
		return err
	}
	card := segment.Card{FS: durable.Dir(root)}
	devices, err := segment.Devices(card)
	if err != nil {
		return err
	}
	all := []segment.Verification{}
	ok := true
	for _, card.Device = range devices {
		v, err := card.Verify()
		if err != nil {
			return err
		}
		all, ok = append(all, v), ok && v.OK()
	}
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		err = e.Encode(all)
	} else {
		printVerifications(w, root, all)
	}
	if err == nil && !ok {
		err = errReported
	}
	return err
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

func printVerifications(w io.Writer, root string, all []segment.Verification) {
	if len(all) == 0 {
		fmt.Fprintf(w, "%s: no segments\n", root)
	}
	for _, v := range all {
		fmt.Fprintf(w, "device %s on %s\n", v.Device, root)
		count := map[segment.Standing]int{}
		for _, f := range v.Findings {
			count[f.Standing]++
			fmt.Fprintf(w, "  %s  %-11s %10d frames  %d lost  %s\n", f.Segment, f.Standing, f.Frames, f.Lost, strings.Join(f.Remarks, ", "))
		}
		for _, n := range v.Notes {
			fmt.Fprintf(w, "  note: %s\n", n)
		}
		for _, b := range v.Breaks {
			fmt.Fprintf(w, "  chain broken: %s\n", b)
		}
		fmt.Fprintf(w, "  %s\n", summary(v, count))
	}
}

func summary(v segment.Verification, count map[segment.Standing]int) string {
	var words []string
	for _, s := range []segment.Standing{segment.Consistent, segment.Signed, segment.Altered, segment.Extra, segment.Missing, segment.Unsealed} {
		if count[s] > 0 {
			words = append(words, fmt.Sprintf("%d %s", count[s], s))
		}
	}
	verdict := "whole, in order, unchanged since they were sealed"
	if count[segment.Consistent]+count[segment.Signed] == 0 {
		verdict = "nothing here is sealed"
	}
	if count[segment.Missing] > 0 {
		verdict = "what is here is " + verdict
	}
	if !v.OK() {
		verdict = "NOT as they were sealed"
	}
	return strings.Join(words, ", ") + ": " + verdict
}
