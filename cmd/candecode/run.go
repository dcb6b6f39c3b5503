package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"canseal/decode"
	"canseal/decode/bucket"
	"canseal/decode/input"
	"canseal/mdf/buslog"
)

// sink takes what sessions hold.
type sink interface {
	begin(*input.Session) (skip bool, err error)
	item(*input.Item) error
	end() error             // of the session
	close(done error) error // of all; done: why it ends early
}

// decodeAll is the program.
func decodeAll(cmd *cobra.Command, f *flags, args []string) error {
	s, err := f.settings(cmd.Context())
	if err != nil {
		return err
	}
	remote := &buckets{s: s, open: map[string]*bucket.Bucket{}}
	defer remote.close()
	files, err := remote.find(cmd.Context(), args, cmd.InOrStdin())
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return errors.New("no recording found")
	}
	in := input.New(files, s.input)
	defer in.Close()
	sum := newSummary(s)
	remote.count(sum)
	out, err := newSink(s, cmd, sum)
	if err != nil {
		return err
	}
	shows := newProgress(cmd.ErrOrStderr(), s.quiet)
	err = passAll(cmd.Context(), in, out, sum, shows)
	shows.end()
	if err == nil {
		sum.finish(in)
	}
	if err = errors.Join(err, out.close(err)); err != nil {
		return err
	}
	if !s.quiet {
		if err := sum.print(cmd.ErrOrStderr()); err != nil {
			return err
		}
	}
	return sum.verdict()
}

func newSink(s *settings, cmd *cobra.Command, sum *summary) (sink, error) {
	switch {
	case s.plot != "":
		return newChart(s, sum), nil
	case s.tables():
		return newTables(s, sum)
	}
	return newLog(s, cmd.OutOrStdout(), sum)
}

// oftenEnough is how many items pass between two looks at the context.
const oftenEnough = 1 << 12

// passAll hands all sessions to the sink.
func passAll(ctx context.Context, in *input.Input, out sink, sum *summary, shows *progress) error {
	n := 0
	for _, session := range in.Sessions {
		if session.Aside() {
			continue
		}
		skip, err := out.begin(session)
		if err != nil {
			return err
		}
		if skip {
			continue
		}
		for it := range session.Items() {
			if n++; n%oftenEnough == 0 {
				if ctx.Err() != nil {
					return fmt.Errorf("interrupted: %w", ctx.Err())
				}
				shows.at(sum.Frames, it.Segment.File.Name)
			}
			sum.count(it)
			if sum.s.authentic && it.Type == buslog.Frame && !sum.s.believes(it.Verdict) {
				sum.NotAuthentic++
				continue
			}
			if err := out.item(it); err != nil {
				return err
			}
		}
		if err := out.end(); err != nil {
			return err
		}
	}
	return nil
}

// frameOf is a frame as a Decoder takes it.
func frameOf(it *input.Item) decode.Frame {
	return decode.Frame{
		Time: it.Time, ID: it.Frame.ID, Bus: it.Bus, Flags: it.Frame.Flags, Verdict: it.Verdict,
		Hidden: hidden(it), Data: it.Frame.Payload(),
	}
}

// hidden marks ciphertext; which bytes of a frame are is not known.
func hidden(it *input.Item) uint64 {
	if it.Type == buslog.Frame && it.Encrypted {
		return ^uint64(0)
	}
	return 0
}
