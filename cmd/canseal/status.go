package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"canseal/can"
	"canseal/cmd/internal/appliance"
	"canseal/config/ota"
	"canseal/logger"
	"canseal/segment"
)

func statusCommand() *cobra.Command {
	var at place
	var asJSON, watch bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "ask the daemon how it is",
		Long: `Status asks the running canseald over its local socket. The JSON form is device.json: the same bytes that are on the
card and in the bucket. Where no daemon runs, the card's device.json is shown and the exit code is 5.`,
		Example: "  canseal status\n  canseal status --watch\n  canseal status --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return status(cmd.Context(), cmd.OutOrStdout(), &at, asJSON, watch)
		},
	}
	at.flagsFar(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&watch, "watch", false, "again each second, until interrupted")
	return cmd
}

func status(ctx context.Context, w io.Writer, at *place, asJSON, watch bool) error {
	for {
		content, err := askStatus(ctx, at)
		if content == nil {
			return err
		}
		if watch && isTerminal(w) {
			fmt.Fprint(w, "\x1b[H\x1b[2J")
		}
		if printErr := printStatus(w, content, asJSON, err); printErr != nil {
			return printErr
		}
		if !watch {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
	}
}

// askStatus returns the daemon's word, else what it last wrote on the card
// together with ErrNotRunning.
func askStatus(ctx context.Context, at *place) ([]byte, error) {
	client, err := at.daemon()
	if err == nil {
		return client.Status(ctx)
	}
	content, readErr := os.ReadFile(filepath.Join(at.root, "device.json"))
	if readErr != nil {
		return nil, err
	}
	return content, err
}

func printStatus(w io.Writer, content []byte, asJSON bool, stale error) error {
	if asJSON {
		_, err := w.Write(content)
		return err
	}
	var d appliance.Facts
	if err := json.Unmarshal(content, &d); err != nil {
		return fmt.Errorf("device.json: %w", err)
	}
	if errors.Is(stale, appliance.ErrNotRunning) {
		fmt.Fprintf(w, "canseald is not running; this is what it last wrote, %s\n\n", d.Time)
	}
	for line := range strings.Lines(statusText(&d)) {
		fmt.Fprintln(w, printable(strings.TrimSuffix(line, "\n")))
	}
	return nil
}

func statusText(d *appliance.Facts) string {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-10s %s\n", name, fmt.Sprintf(format, args...))
	}
	line("device", "%s (from %s), canseal %s, up %v", d.ID, d.Device.IDSource, d.FwVer, time.Duration(d.Device.UptimeS)*time.Second)
	line("clock", "%s, %s", d.Time, d.TimeState)
	atLeast := ""
	if d.Log.LostAtLeast {
		atLeast = "at least "
	}
	line("log", "%s, session %08d split %08d, %s frames, %s%s", d.Log.State, d.Log.Session, d.Log.Split,
		thousands(int(d.Log.Frames)), atLeast, lostText(d.Log.Lost))
	for _, bus := range d.Buses {
		line(fmt.Sprintf("bus %d", bus.Number), "%s", busText(bus))
		if bus.Problem != "" {
			line("", "problem: %s", bus.Problem)
		}
		for _, difference := range bus.Differs {
			line("", "differs: %s", difference)
		}
	}
	for _, c := range d.Cancrypt {
		line("cancrypt", "%s", cryptText(&c))
	}
	line("card", "%s", cardText(d))
	s := d.Log.Segments
	line("segments", "%d unsent (%.1f MB), %d sent over TLS, %d sent unproved, %d pinned", s.Unsent, float64(s.UnsentBytes)/1e6, s.SentTLS, s.SentPlain, s.Pinned)
	if d.Log.Seal.Signed {
		line("seals", "%s lines, signed at present", thousands(int(d.Log.Seal.Lines)))
	}
	line("upload", "%s", uploadText(d))
	if d.TLS.Suite != "" {
		line("tls", "%s, %s, %d days left in the bundle", d.TLS.Version, d.TLS.Suite, bundleDays(d))
	}
	if d.TLS.Profile != "" && (d.TLS.Profile != "modern" || d.TLS.Downgraded) {
		line("suites", "%s", printable(d.TLS.Groups()))
	}
	if c := d.TLS.Device; c != nil {
		line("identity", "%s, %d days left%s", printable(c.Subject), c.DaysLeft, map[bool]string{true: ": ask for a new certificate"}[c.RenewDue])
	}
	for _, text := range settingsText(&d.Settings) {
		line("settings", "%s", text)
	}
	for _, text := range linkLines(d) {
		line("link", "%s", text)
	}
	if d.System.DriveEnd != nil {
		line("drive end", "%s", driveEndText(d))
	}
	if d.Device.SecretsOnRemovableMedia {
		line("warning", "secrets are on removable media")
	}
	for _, c := range d.System.Components {
		if c.State == "failed" {
			line("warning", "%s failed: %s", c.Name, c.Error)
		}
	}
	return b.String()
}

func cardText(d *appliance.Facts) string {
	c := d.Log.Card
	text := fmt.Sprintf("%s, %s MiB used, reserve %d MiB", c.State, d.SpaceUsedMB, c.Reserve>>20)
	if c.FullIn > 0 {
		text += ", full in about " + daysOf(c.FullIn)
	}
	text += fmt.Sprintf("; %.1f MB written", float64(c.Written)/1e6)
	if a := d.System.Wear.Amplification; a > 0 {
		text += fmt.Sprintf(", %.2f times that by the device", a)
	}
	return text
}

// daysOf shows a time in seconds as somebody wants to know it who plans a visit.
func daysOf(seconds int64) string {
	const day = 24 * 60 * 60
	if seconds < 2*day {
		return fmt.Sprintf("%d hours", seconds/3600)
	}
	return fmt.Sprintf("%d days", seconds/day)
}

func driveEndText(d *appliance.Facts) string {
	e := d.System.DriveEnd
	sealed := e.Sealed
	if sealed == "" {
		sealed = "nothing"
	}
	text := fmt.Sprintf("%s: sealed %s in %d ms", e.Time, sealed, e.SealMS)
	switch {
	case e.Left != "":
		text += "; not all is in the store: " + e.Left
	case e.OfferMS > 0:
		text += fmt.Sprintf(", all in the store after %d ms", e.OfferMS)
	}
	return text
}

func bundleDays(d *appliance.Facts) int {
	if d.TLS.Bundle == nil {
		return 0
	}
	return d.TLS.Bundle.DaysLeft
}

func busText(bus logger.BusStatus) string {
	words := []string{bus.Interface}
	for _, w := range []string{bus.Link, bus.Controller} {
		if w != "" {
			words = append(words, w)
		}
	}
	if bus.Bitrate > 0 {
		words = append(words, fmt.Sprintf("%d bit/s", bus.Bitrate))
	}
	if bus.ListenOnly {
		words = append(words, "listen-only")
	}
	if bus.Recording == "paused" {
		words = append(words, "paused")
	}
	counts := []string{thousands(int(bus.Frames)) + " frames", thousands(int(bus.Errors)) + " errors"}
	if bus.Sent > 0 {
		counts = append(counts, thousands(int(bus.Sent))+" sent")
	}
	if bus.LeftOut > 0 {
		text := thousands(int(bus.LeftOut)) + " left out"
		if bus.LeftOutAtLeast {
			text = "at least " + text
		}
		counts = append(counts, text)
	}
	return strings.Join(words, ", ") + ": " + strings.Join(append(counts, lostText(bus.Lost)), ", ")
}

// cryptText tells how the frames of a bus are judged.
func cryptText(c *logger.CryptStatus) string {
	text := fmt.Sprintf("bus %d, %s: %s", c.Bus, c.Role, c.State)
	if c.Reason != "" {
		text += ", " + printable(c.Reason)
	}
	var members, counts []string
	for _, m := range c.Members {
		if m.State != "present" {
			members = append(members, fmt.Sprintf("%d %s", m.Address, m.State))
		}
	}
	if len(members) > 0 && c.Reason == "" {
		text += "; members " + strings.Join(members, ", ")
	}
	for code := range can.SenderLostOrLeft + 1 {
		if n := c.Verdicts[strconv.Itoa(int(code))]; n > 0 && code != can.NotListed && code != can.HeartbeatOK {
			counts = append(counts, thousands(int(n))+" "+code.String())
		}
	}
	if len(counts) > 0 {
		text += "; " + strings.Join(counts, ", ")
	}
	return text
}

// lostText tells how many frames are lost, and where.
func lostText(l logger.Lost) string {
	var places []string
	for _, p := range []struct {
		count uint64
		name  string
	}{
		{l.Socket, "in the socket queue"}, {l.Interface, "in the interface"}, {l.Controller, "in the controller"},
		{l.Queue, "in the own queue"}, {l.Cut, "cut"}, {l.Deleted, "deleted"}, {l.Reconfigured, "while reconfigured"}, {l.Write, "by the card"},
		{l.Probe, "on the way from a probe"},
	} {
		if p.count > 0 {
			places = append(places, thousands(int(p.count))+" "+p.name)
		}
	}
	text := thousands(int(l.Sum())) + " lost"
	if len(places) > 0 {
		text += " (" + strings.Join(places, ", ") + ")"
	}
	return text
}

func uploadText(d *appliance.Facts) string {
	text := fmt.Sprintf("%s, mode %s", d.Upload.State, d.Upload.Mode)
	if d.Upload.Reason != "" { // it begins with the class
		text += ": " + d.Upload.Reason
	} else if d.Upload.Class != "" {
		text += ": " + d.Upload.Class
	}
	if d.Upload.Mode != "off" {
		text += fmt.Sprintf("; %d segments sent, %d wait", d.Upload.Sent.Segments, d.Upload.Queue.Segments)
	}
	return text
}

// settingsText tells what of the settings is on trial or was refused, why nothing
// is taken, and who rules the device if not its owner.
func settingsText(s *ota.Status) (lines []string) {
	names := []string{"config.yaml", "certs_server.p7b", "device.crt"}
	said := map[string]bool{"": true}
	for i, f := range []ota.Fact{s.Config, s.Bundle, s.Identity} {
		if f.State == "settled" {
			continue
		}
		text := fmt.Sprintf("%s: %s", names[i], f.State)
		if f.Reason != "" {
			text += ": " + printable(f.Reason)
		}
		said[f.Reason] = true
		lines = append(lines, text)
	}
	if !said[s.Reason] { // mostly that of the last attempt, told above
		lines = append(lines, printable(s.Reason))
	}
	if s.Policy == "bucket" {
		lines = append(lines, "ota.policy bucket: whoever writes the bucket rules this device")
	}
	return lines
}

func rotateCommand() *cobra.Command {
	var at place
	var final bool
	cmd := &cobra.Command{
		Use:     "rotate",
		Short:   "seal the running segment now, and go on with the next",
		Long:    "Rotate returns when the running segment is sealed; the uploader takes it up at once. With --final no other segment is opened before the next frame and all that is left is offered to the store: the way to end a drive. SIGPWR to canseald does the same; status shows how long it took.",
		Example: "  canseal rotate\n  canseal rotate --final",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := at.daemon()
			if err != nil {
				return err
			}
			began := time.Now()
			name, err := client.Rotate(cmd.Context(), final)
			switch {
			case err != nil:
			case name == (segment.Name{}).String():
				fmt.Fprintln(cmd.OutOrStdout(), "nothing to seal: no segment is open")
			default:
				fmt.Fprintf(cmd.OutOrStdout(), "sealed %s in %d ms\n", name, time.Since(began).Milliseconds())
			}
			return err
		},
	}
	at.flagsFar(cmd)
	cmd.Flags().BoolVar(&final, "final", false, "open the next segment only when a frame comes")
	return cmd
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
