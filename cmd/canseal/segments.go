package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"canseal/cmd/internal/appliance"
	"canseal/internal/durable"
	"canseal/segment"
)

func segmentsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "segments", Short: "list, pin and send again the segments of a card"}
	cmd.AddCommand(segmentsList(), segmentsKeep(), segmentsRetry())
	return cmd
}

// row is one segment as `segments list` shows it.
type row struct {
	Device  segment.Device `json:"device"`
	Segment string         `json:"segment"`
	State   string         `json:"state"`
	Pinned  bool           `json:"pinned"`
	Bytes   int64          `json:"bytes"`
	Start   string         `json:"start,omitempty"`
	Frames  uint64         `json:"frames"`
	Lost    uint64         `json:"lost"`
	End     string         `json:"end,omitempty"` // orderly, cut
	Key     string         `json:"key,omitempty"` // where it was sent to
}

func segmentsList() *cobra.Command {
	var root string
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "list the segments on a card, with or without a daemon",
		Example: "  canseal segments list\n  canseal segments list --root /media/card --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			rows, err := listSegments(root)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), rows)
			}
			printRows(cmd.OutOrStdout(), rows)
			return nil
		},
	}
	cmd.Flags().StringVar(&root, "root", appliance.DefaultRoot, "the card's folder")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func listSegments(root string) ([]row, error) {
	card := segment.Card{FS: durable.Dir(root)}
	devices, err := segment.Devices(card)
	if err != nil {
		return nil, fmt.Errorf("%s: wanted a card: %w", root, err)
	}
	rows := []row{}
	for _, card.Device = range devices {
		listing, err := card.Scan()
		if err != nil {
			return nil, err
		}
		for _, session := range listing.Sessions {
			seals, err := card.ReadSeals(session)
			if err != nil {
				return nil, err
			}
			rows = append(rows, sessionRows(card.Device, session, listing.Segments, seals.Lines)...)
		}
	}
	return rows, nil
}

func sessionRows(d segment.Device, session uint32, all []segment.Segment, lines []segment.SealLine) (rows []row) {
	bySplit := map[uint32]segment.SealLine{}
	for _, l := range lines {
		bySplit[l.Split] = l
	}
	for _, s := range all {
		if s.Session != session {
			continue
		}
		r := row{Device: d, Segment: s.Name.String(), State: stateOf(s), Pinned: s.Pinned(), Bytes: s.Size}
		if l, ok := bySplit[s.Split]; ok {
			r.Start, r.Frames, r.Lost, r.End = l.Start.UTC().Format(time.RFC3339), l.Frames, l.Lost, l.End
		}
		if s.Sent() {
			r.Key = s.Receipt.Key
		}
		rows = append(rows, r)
	}
	return rows
}

func stateOf(s segment.Segment) string {
	switch {
	case s.Open():
		return "open"
	case s.Sent():
		return "sent " + string(s.Receipt.Proved)
	case s.Sealed():
		return "sealed"
	default:
		return s.Has.String()
	}
}

func printRows(w io.Writer, rows []row) {
	if len(rows) == 0 {
		fmt.Fprintln(w, "no segments")
		return
	}
	fmt.Fprintf(w, "%-8s  %-17s  %-10s  %10s  %-20s  %9s  %s\n", "DEVICE", "SESSION/SPLIT", "STATE", "BYTES", "START", "FRAMES", "LOST")
	for _, r := range rows {
		remarks := ""
		if r.End == "cut" {
			remarks += "  cut"
		}
		if r.Pinned {
			remarks += "  pinned"
		}
		fmt.Fprintf(w, "%-8s  %-17s  %-10s  %10d  %-20s  %9d  %d%s\n", r.Device, r.Segment, r.State, r.Bytes, r.Start, r.Frames, r.Lost, remarks)
	}
}

func segmentsKeep() *cobra.Command {
	var at place
	var undo bool
	cmd := &cobra.Command{
		Use:     "keep SESSION/SPLIT",
		Short:   "pin a segment: first to be sent, last to be deleted",
		Example: "  canseal segments keep 00000017/00000003\n  canseal segments keep --undo 00000017/00000003",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := segment.ParseName(args[0])
			if err != nil {
				return appliance.Usage(err)
			}
			client, err := at.daemon()
			if errors.Is(err, appliance.ErrNotRunning) {
				return keepOnCard(at.root, name, !undo)
			}
			if err != nil {
				return err
			}
			return client.Keep(cmd.Context(), name, !undo)
		},
	}
	at.flags(cmd)
	cmd.Flags().BoolVar(&undo, "undo", false, "take the pin away")
	return cmd
}

// keepOnCard pins without a daemon: on a card in a laptop.
func keepOnCard(root string, n segment.Name, keep bool) error {
	card := segment.Card{FS: durable.Dir(root)}
	devices, err := segment.Devices(card)
	if err != nil {
		return err
	}
	if len(devices) != 1 {
		return fmt.Errorf("%s: wanted segments of one device, found those of %d", root, len(devices))
	}
	card.Device = devices[0]
	if keep {
		return card.Pin(n)
	}
	return card.Unpin(n)
}

func segmentsRetry() *cobra.Command {
	var at place
	var all bool
	cmd := &cobra.Command{
		Use:     "retry",
		Short:   "take up parked segments again",
		Long:    "Retry lets the daemon try again what it has parked. With --all every segment on the card is sent again, receipts or not: for a store that has lost its objects, or a new one.",
		Example: "  canseal segments retry\n  canseal segments retry --all",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := at.daemon()
			if err != nil {
				return err
			}
			return client.Retry(cmd.Context(), all)
		},
	}
	at.flags(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "send everything again")
	return cmd
}
