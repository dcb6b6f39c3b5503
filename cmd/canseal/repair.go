package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"canseal/internal/durable"
	"canseal/mdf"
)

func repairCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "repair PATH...",
		Short: "finish cut segments of a card taken from a dead box",
		Long: `Repair finishes what a power cut left behind. PATH is a segment that was being written (NAME.MF4.part)
or a folder that holds some. The card is not touched: a finished copy is written below --output, in the folders of the
card (DEVICE/SESSION/NAME.MF4). Everything up to the last whole write is kept; what is cut off stands in the copy as a gap.
A card that goes back into its box needs no repair: canseald does it at its start.`,
		Example: "  canseal repair /media/card\n  canseal repair -o rescued 00000003.MF4.part",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return repair(cmd.OutOrStdout(), out, args)
		},
	}
	cmd.Flags().StringVarP(&out, "output", "o", "repaired", "folder for the copies")
	return cmd
}

func repair(w io.Writer, out string, paths []string) error {
	var failed error
	parts, err := findParts(paths)
	if err != nil {
		return err
	}
	if len(parts) == 0 {
		fmt.Fprintln(w, "nothing to repair: no file ends in .MF4.part")
	}
	for _, part := range parts {
		report, copied, err := repairCopy(part, out)
		if err != nil {
			failed = errReported
			fmt.Fprintf(w, "%s: %v\n", part, err)
			continue
		}
		fmt.Fprintln(w, describeRepair(part, copied, report))
	}
	return failed
}

// findParts lists the segments being written at and below the paths.
func findParts(paths []string) ([]string, error) {
	var parts []string
	for _, p := range paths {
		err := filepath.WalkDir(p, func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.Type().IsRegular() && strings.HasSuffix(name, ".MF4.part") {
				parts = append(parts, name)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return parts, nil
}

// cardTree matches the end of a segment's path on a card.
var cardTree = regexp.MustCompile(`(^|/)([0-9A-F]{8}/[0-9]{8})/[^/]+$`)

// repairCopy copies a .part without its last suffix and repairs the copy.
func repairCopy(part, out string) (mdf.Report, string, error) {
	if m := cardTree.FindStringSubmatch(filepath.ToSlash(absolute(part))); m != nil {
		out = filepath.Join(out, filepath.FromSlash(m[2]))
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return mdf.Report{}, "", err
	}
	name := strings.TrimSuffix(filepath.Base(part), ".part")
	target := filepath.Join(out, name)
	if err := copyNew(part, target); err != nil {
		return mdf.Report{}, "", err
	}
	f, err := durable.Dir(out).Edit(name)
	if err != nil {
		return mdf.Report{}, "", err
	}
	report, err := mdf.Repair(f)
	if err = errors.Join(err, f.Close()); err != nil || report.Empty {
		return report, "", errors.Join(err, os.Remove(target))
	}
	return report, target, nil
}

func copyNew(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, in)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(to))
	}
	return nil
}

func describeRepair(part, copied string, r mdf.Report) string {
	switch {
	case r.Empty:
		return part + ": holds nothing: not even its header is complete"
	case r.Already:
		return fmt.Sprintf("%s -> %s: was finished already, %d frames", part, copied, r.Stats.Frames)
	case r.Orderly:
		return fmt.Sprintf("%s -> %s: ended in order, %d frames", part, copied, r.Stats.Frames)
	default:
		return fmt.Sprintf("%s -> %s: %d frames kept, %d bytes cut off, gap recorded", part, copied, r.Stats.Frames, r.Dropped)
	}
}
