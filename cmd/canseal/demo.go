package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"canseal/can"
	"canseal/cmd/internal/appliance"
	securitymode "canseal/internal/mode"
)

// demo is one run of the whole way: a simulated bus, the appliance as the
// daemon runs it, a store in this process, and the comparison.
type demo struct {
	dir      string // "" : a temporary folder
	keep     bool
	mode     string
	duration time.Duration
	rate     int
	buses    int
	seed     uint64
	drop     int // hidden: lose this frame on the way, to see the demo fail
	json     bool
	out      io.Writer
}

func demoCommand() *cobra.Command {
	var d demo
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "show the whole way from a bus to a bucket on this machine",
		Long: `Demo runs the appliance as canseald does, with two replacements: the buses are simulated, and the store
is embedded. Frames go from busy buses into MDF4 segments on a temporary card, and from there into a bucket,
over TLS with a trust bundle that was made for it. Then everything is read back from the bucket and compared, frame by
frame: bus, time, identifier, flags, length, data. Any difference ends it with exit code 1.

One more bus carries a CANcrypt group of four devices, which is attacked for a while: messages are injected, replayed,
guessed, and changed on their way. The logger judges every frame of it; its verdicts are held against what the
simulator knows. An attack that passes, or an honest message that is doubted, ends the demo with exit code 1 too.`,
		Example: "  canseal demo\n  canseal demo --mode low --keep --dir /tmp/demo\n  canseal demo --duration 1m --rate 18000",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d.out = cmd.OutOrStdout()
			return d.run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&d.dir, "dir", "", "folder for card, state and bucket (default: a temporary one)")
	flags.BoolVar(&d.keep, "keep", false, "keep the temporary folder")
	flags.StringVar(&d.mode, "mode", "medium", "security mode: low, medium or high")
	flags.DurationVar(&d.duration, "duration", 10*time.Second, "how long the buses are busy")
	flags.IntVar(&d.rate, "rate", 4000, "frames per second over all busy buses")
	flags.IntVar(&d.buses, "buses", 2, "number of busy buses, 1 to 7")
	flags.Uint64Var(&d.seed, "seed", 1, "what the buses say; equal seeds say the same")
	flags.BoolVar(&d.json, "json", false, "print the result as JSON")
	flags.IntVar(&d.drop, "drop", 0, "lose the n-th frame on the way")
	_ = flags.MarkHidden("drop")
	return cmd
}

func (d *demo) check() error {
	switch {
	case !slices.Contains(securitymode.Names(), d.mode):
		return appliance.Usage(fmt.Errorf("--mode: found %q, wanted one of %v", d.mode, securitymode.Names()))
	case d.buses < 1 || d.buses > 7:
		return appliance.Usage(fmt.Errorf("--buses: found %d, wanted 1 to 7", d.buses))
	case d.rate < 1 || d.rate > 1_000_000:
		return appliance.Usage(fmt.Errorf("--rate: found %d, wanted 1 to 1000000", d.rate))
	case d.duration < time.Second || d.duration > time.Hour:
		return appliance.Usage(fmt.Errorf("--duration: found %v, wanted 1s to 1h", d.duration))
	}
	return nil
}

func (d *demo) run(ctx context.Context) error {
	if err := d.check(); err != nil {
		return err
	}
	if err := d.place(); err != nil {
		return err
	}
	bucket, err := openBucket(d.dir, d.mode)
	if err != nil {
		return err
	}
	defer bucket.Close()
	group, err := newDemoGroup(d.buses)
	if err != nil {
		return err
	}
	if err := errors.Join(bucket.prepareCard(d.cardDir(), d.buses, group.group.YAML()), group.prepare(d.stateDir()), bucket.prepareIdentity(d.cardDir(), d.stateDir())); err != nil {
		return err
	}
	d.say("canseal demo: %v of simulated buses, recorded, sealed, uploaded, read back\n\n", d.duration)
	sent, end, err := d.record(ctx, bucket, group)
	if ctx.Err() != nil {
		d.tidy()
		return errors.New("interrupted")
	}
	if err != nil {
		return err
	}
	verdicts := newVerdictLog(group.bus)
	r, err := bucket.compare(ctx, sent, verdicts)
	if err != nil {
		return err
	}
	r.Group, r.GroupBus = group.judge(verdicts.frames, d.duration), group.bus
	if err := group.write(d.dir); err != nil {
		return err
	}
	r.Counted, r.Card = int(end.Log.Lost.Sum()), end.Log.Card.State
	r.Duration, r.Mode, r.Dir, r.Kept = d.duration, d.mode, d.dir, d.keep
	if err := r.print(d.out, d.json); err != nil {
		return err
	}
	if !r.ok() {
		return errReported
	}
	d.tidy()
	return nil
}

// tidy removes a folder that nobody has asked to keep.
func (d *demo) tidy() {
	if !d.keep {
		os.RemoveAll(d.dir)
	}
}

// say prints for a person.
func (d *demo) say(format string, args ...any) {
	if !d.json {
		fmt.Fprintf(d.out, format, args...)
	}
}

// place makes the demo's folder. A folder that was named is kept; what an
// earlier demo left in it would be compared too, so it must be empty.
func (d *demo) place() error {
	if d.dir == "" {
		dir, err := os.MkdirTemp("", "canseal-demo-")
		d.dir = dir
		return err
	}
	d.keep, d.dir = true, absolute(d.dir)
	if err := os.MkdirAll(d.dir, 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir(d.dir)
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("--dir %s: wanted an empty folder, found %d entries", d.dir, len(entries))
	}
	return err
}

func (d *demo) cardDir() string  { return filepath.Join(d.dir, "card") }
func (d *demo) stateDir() string { return filepath.Join(d.dir, "state") }

// record runs the appliance until the simulated buses fall silent, and
// returns every frame that they carried, and how the appliance was at the end.
func (d *demo) record(ctx context.Context, b *bucket, g *demoGroup) (sent []can.Event, end appliance.Facts, err error) {
	buses, err := d.source(g)
	if err != nil {
		return nil, end, err
	}
	source := &witness{drop: d.drop, Source: buses}
	a, err := appliance.Build(ctx, appliance.Options{Root: d.cardDir(), StateDir: d.stateDir(), Source: source})
	if err != nil {
		return nil, end, err
	}
	defer a.Close()
	stop := d.watch(ctx, a, b)
	err = a.Run(ctx, context.WithoutCancel(ctx))
	stop()
	return source.frames, a.Facts(), err
}

// watch rotates the segment twice, so that there are several, and draws
// progress for a person.
func (d *demo) watch(ctx context.Context, a *appliance.Appliance, b *bucket) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		start, tick := time.Now(), time.NewTicker(200*time.Millisecond)
		defer tick.Stop()
		for rotations := 0; ; {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			passed := time.Since(start)
			if rotations < 2 && passed > d.duration*time.Duration(rotations+1)/3 {
				rotations++
				_, _ = a.Rotate(ctx, false) // fails only while the recording ends
			}
			d.progress(min(passed, d.duration), b.objects())
		}
	}()
	return func() {
		cancel()
		<-done
		d.clearProgress()
	}
}

func (d *demo) progress(passed time.Duration, objects int) {
	if d.json || !isTerminal(d.out) {
		return
	}
	const width = 30
	full := int(passed * width / d.duration)
	bar := ""
	for i := range width {
		if i < full {
			bar += "█"
		} else {
			bar += "·"
		}
	}
	fmt.Fprintf(d.out, "\r  recording %s %4.1f s   segments in the bucket: %d ", bar, passed.Seconds(), objects)
}

func (d *demo) clearProgress() {
	if !d.json && isTerminal(d.out) {
		fmt.Fprint(d.out, "\r\x1b[K")
	}
}

// witness passes events on and keeps every frame it has seen.
type witness struct {
	can.Source
	frames []can.Event
	drop   int // the frame that does not arrive, from 1; 0: none
}

func (w *witness) Read(buf []can.Event) (int, error) {
	for {
		n, err := w.Source.Read(buf)
		if n = w.watch(buf[:n]); n > 0 || err != nil {
			return n, err
		}
	}
}

// watch notes the frames, and closes the place of the one that is to be lost.
func (w *witness) watch(events []can.Event) (kept int) {
	for _, e := range events {
		if e.Kind == can.KindFrame {
			w.frames = append(w.frames, e)
			if len(w.frames) == w.drop {
				continue
			}
		}
		events[kept] = e
		kept++
	}
	return kept
}
