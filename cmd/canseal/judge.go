package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"canseal/cancrypt/offline"
	"canseal/cmd/internal/appliance"
)

// judging is the command line of canseal judge.
type judging struct {
	at             place
	keys           string
	config         string
	out            string
	seen           string
	ask            bool
	passphraseFile string
	asJSON         bool
}

func judgeCommand() *cobra.Command {
	var j judging
	cmd := &cobra.Command{
		Use:   "judge LOG... --keys FILE",
		Short: "judge recorded frames by CANcrypt, with keys that the logger need not carry",
		Long: `Judge says of each recorded frame what canseald says of a frame while it records (cancrypt.md 5.4), and repairs what
one missed heartbeat costs. LOG is a segment, a folder or card with segments, or a candump log. Segments of one session
are judged together, from each start of the group on.

How the buses are judged is taken from --config (a configuration with roles, members and tables), or else from what the
segments say of the judge that recorded them. --keys is one of
  a file that canseal keys provision takes: encrypted for this box (--state) or with a passphrase, or not encrypted
  the file keys of a state folder
  JSON as beside the example traces: keys, devices, control, timing_ms and table_bytes in one; it needs no --config

With --output a copy of each log is written whose frames bear their verdicts, with the version of the judge, the table
and the number of the key's slot, never the key. A log is never changed, and a copy bears no seal. Decode it with
candecode --authentic-only.

Exit code 1 when frames look forged, replayed or injected.`,
		Example: "  canseal judge --keys fleet.age --passphrase /media/card\n  canseal judge --keys keys.json --config config.yaml -o judged LOG/A1B2C3D4/00000017",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if j.keys == "" {
				return appliance.Usage(errors.New("wanted --keys"))
			}
			return j.run(cmd, args)
		},
	}
	j.at.flags(cmd)
	f := cmd.Flags()
	f.StringVarP(&j.keys, "keys", "k", "", "file with the keys")
	f.StringVarP(&j.config, "config", "c", "", "configuration that says how the buses are judged")
	f.StringVarP(&j.out, "output", "o", "", "folder for copies with verdicts")
	f.StringVar(&j.seen, "seen", "", "folder with the start keys that were seen before (files seenN of a state folder)")
	f.BoolVar(&j.ask, "passphrase", false, "the key file is encrypted with a passphrase: ask for it")
	f.StringVar(&j.passphraseFile, "passphrase-file", "", "the same, and this file holds it in one line")
	f.BoolVar(&j.asJSON, "json", false, "print JSON")
	return cmd
}

func (j *judging) run(cmd *cobra.Command, args []string) error {
	bench, err := j.bench(cmd)
	if err != nil {
		return err
	}
	logs, err := findLogs(args, j.out)
	if err != nil {
		return err
	}
	sessions := sessionsOf(logs)
	reports := make([]judgement, 0, len(sessions))
	bad := false
	for _, logs := range sessions {
		r, err := bench.session(cmd.Context(), logs)
		if err != nil {
			return err
		}
		reports, bad = append(reports, r), bad || r.bad()
	}
	if j.asJSON {
		err = printJSON(cmd.OutOrStdout(), reports)
	} else {
		printReports(cmd.OutOrStdout(), reports)
	}
	if err == nil && bad {
		err = errReported
	}
	return err
}

// findLogs lists the recordings at and below the paths, but not our own copies.
func findLogs(paths []string, out string) (logs []*recording, err error) {
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			logs = append(logs, &recording{path: p})
			continue
		}
		err = filepath.WalkDir(p, func(name string, d os.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && out != "" && absolute(name) == absolute(out):
				return filepath.SkipDir
			case d.Type().IsRegular() && isSegment(d.Name()):
				logs = append(logs, &recording{path: name})
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if len(logs) == 0 {
		return nil, fmt.Errorf("%v: wanted recordings, found none", paths)
	}
	for _, l := range logs {
		if err := l.open(); err != nil {
			return nil, fmt.Errorf("%s: %w", l.path, err)
		}
		if err := l.close(); err != nil {
			return nil, err
		}
	}
	return logs, nil
}

// sessionsOf puts segments of one session together, in their order. A candump
// log is a session of its own.
func sessionsOf(logs []*recording) (sessions [][]*recording) {
	slices.SortStableFunc(logs, (*recording).compare)
	for i, l := range logs {
		if i > 0 && l.continues(logs[i-1]) {
			sessions[len(sessions)-1] = append(sessions[len(sessions)-1], l)
			continue
		}
		sessions = append(sessions, []*recording{l})
	}
	return sessions
}

// session judges the segments of one session in three passes: what is missing;
// the frames; the copies and the counts.
func (b *bench) session(ctx context.Context, logs []*recording) (judgement, error) {
	s := offline.New(func() bool { return ctx.Err() != nil })
	r := newJudgement(logs)
	said := senders{}
	err := each(ctx, logs, func(_ int, l *recording) error {
		s.Begin(l.header.Split, l.header.Start)
		return l.each(func(rec record) error {
			said.note(rec)
			s.Note(rec)
			return nil
		})
	})
	if err != nil {
		return r, err
	}
	if r.judges, err = b.judges(logs[0], said); err != nil {
		return r, err
	}
	if err := s.Judge(r.options()); err != nil {
		return r, err
	}
	err = each(ctx, logs, func(_ int, l *recording) error {
		s.Next()
		return l.each(func(rec record) error {
			s.Record(rec)
			return nil
		})
	})
	if err != nil {
		return r, err
	}
	r.events(s.Events())
	err = each(ctx, logs, func(i int, l *recording) error { return b.finish(&r, s, i, l) })
	r.finished()
	return r, err
}

// each opens one log after the other.
func each(ctx context.Context, logs []*recording, do func(i int, l *recording) error) error {
	for i, l := range logs {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := l.open()
		if err == nil {
			err = errors.Join(do(i, l), l.close())
		}
		if err != nil {
			return fmt.Errorf("%s: %w", l.path, err)
		}
	}
	return nil
}

// finish counts the verdicts of a segment, and writes its copy.
func (b *bench) finish(r *judgement, s *offline.Session, i int, l *recording) error {
	c, err := b.copyOf(r, s, i, l)
	if err != nil {
		return err
	}
	verdicts := s.Verdicts(i)
	err = l.each(func(rec record) error {
		if f, is := rec.(*frame); is {
			f.Verdict, verdicts = verdicts[0], verdicts[1:]
			r.count(&f.Event)
		}
		return c.write(rec)
	})
	return c.end(err)
}
