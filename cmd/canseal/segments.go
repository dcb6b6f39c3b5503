package main

import (
	"context"
	"errors"
	"fmt"
	"io"

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

func segmentsList() *cobra.Command {
	var at place
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "list the segments on a card, with or without a daemon",
		Example: "  canseal segments list\n  canseal segments list --root /media/card --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			rows, err := listSegments(cmd.Context(), &at)
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
	at.flagsFar(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func listSegments(ctx context.Context, at *place) ([]appliance.SegmentRow, error) {
	if at.far() {
		client, err := at.daemon()
		if err != nil {
			return nil, err
		}
		return client.Segments(ctx)
	}
	rows, err := appliance.Segments(durable.Dir(at.root))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", at.root, err)
	}
	return rows, nil
}

func printRows(w io.Writer, rows []appliance.SegmentRow) {
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
	at.flagsFar(cmd)
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
	at.flagsFar(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "send everything again")
	return cmd
}
