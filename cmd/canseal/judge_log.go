package main

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strings"

	"canseal/can"
	"canseal/mdf"
)

type (
	record = mdf.Record
	frame  = mdf.Frame
)

// recording is a log to be judged: one of our segments, or a candump log.
type recording struct {
	path   string
	header mdf.Header
	text   bool // candump
	sorted bool
	length int64

	file   *os.File
	reader *mdf.Reader
}

// isSegment tells by its name whether a file of a folder is a segment.
func isSegment(name string) bool {
	return strings.HasSuffix(name, ".MF4") || strings.HasSuffix(name, ".MF4.part") || strings.HasSuffix(name, ".MF4.raw") || strings.HasSuffix(name, ".mf4")
}

// open opens the log and reads its head.
func (l *recording) open() (err error) {
	if l.file, err = os.Open(l.path); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			l.file.Close()
		}
	}()
	info, err := l.file.Stat()
	if err != nil {
		return err
	}
	l.length = info.Size()
	begin := make([]byte, 8)
	if n, _ := l.file.ReadAt(begin, 0); n == 0 || begin[0] == '(' {
		l.text = true
		return l.first()
	}
	if l.reader, err = mdf.Open(l.file, l.length); err != nil {
		return err
	}
	l.header, l.sorted = l.reader.Header(), l.reader.Sorted()
	return nil
}

// first makes a head for a log that has none: it begins with its first frame.
func (l *recording) first() error {
	l.header = mdf.Header{Device: "00000000", Session: 1, Split: 1}
	for rec, err := range l.lines() {
		if err != nil {
			return err
		}
		l.header.Start = rec.(*frame).Time
		return nil
	}
	return nil
}

func (l *recording) close() error {
	l.reader = nil
	return l.file.Close()
}

// each hands out the records in the order of the file.
func (l *recording) each(do func(record) error) error {
	records := l.lines()
	if !l.text {
		records = l.reader.Records()
	}
	for rec, err := range records {
		if err == nil {
			err = do(rec)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// lines reads a candump log: canN is bus N+1, other names are numbered as they
// come.
func (l *recording) lines() iter.Seq2[mdf.Record, error] {
	return func(yield func(mdf.Record, error) bool) {
		text := bufio.NewScanner(io.NewSectionReader(l.file, 0, l.length))
		numbers := map[string]uint8{}
		var f frame
		for n := 1; text.Scan(); n++ {
			line := bytes.TrimSpace(text.Bytes())
			if len(line) == 0 {
				continue
			}
			f = frame{}
			name, err := can.ParseCandump(line, &f.Event)
			if err == nil {
				f.Bus, err = busOf(numbers, string(name))
			}
			if err != nil {
				yield(nil, fmt.Errorf("line %d: %w", n, err))
				return
			}
			if !yield(&f, nil) {
				return
			}
		}
		if err := text.Err(); err != nil {
			yield(nil, err)
		}
	}
}

func busOf(numbers map[string]uint8, name string) (uint8, error) {
	bus, known := numbers[name]
	if known {
		return bus, nil
	}
	if n, err := fmt.Sscanf(name, "can%d", &bus); n == 1 && err == nil && name == fmt.Sprintf("can%d", bus) {
		bus++
	} else {
		bus = uint8(len(numbers) + 1)
	}
	if bus < 1 || bus > 8 {
		return 0, fmt.Errorf("interface %.16q: wanted at most 8 buses", name)
	}
	numbers[name] = bus
	return bus, nil
}

// compare orders logs by device, session and split.
func (l *recording) compare(m *recording) int {
	return cmp.Or(boolean(l.text)-boolean(m.text), strings.Compare(l.header.Device, m.header.Device), cmp.Compare(l.header.Session, m.header.Session), cmp.Compare(l.header.Split, m.header.Split))
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

// continues tells whether a log belongs to the session of the one before.
func (l *recording) continues(before *recording) bool {
	return !l.text && !before.text && l.header.Device == before.header.Device && l.header.Session == before.header.Session && l.header.Split != before.header.Split
}

// sum is the SHA-256 of the file.
func (l *recording) sum() (string, error) {
	h := sha256.New()
	_, err := io.Copy(h, io.NewSectionReader(l.file, 0, l.length))
	return hex.EncodeToString(h.Sum(nil)), err
}

// copying writes a copy of a log with verdicts. A nil one writes nothing.
type copying struct {
	file   *os.File
	w      *mdf.Writer
	pack   string // write the compressed form under this name; "": as it is
	last   *mdf.Clock
	latest int64
	events []mdf.Security
}

// target is an mdf.File.
type target struct{ *os.File }

func (t target) Size() (int64, error) {
	info, err := t.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (c *copying) write(rec record) error {
	if c == nil {
		return nil
	}
	switch r := rec.(type) {
	case mdf.VerdictChange, mdf.Security, mdf.Sender: // of the judge before
		return nil
	case mdf.Clock:
		c.last = &r
	case *frame:
		c.latest = max(c.latest, r.Time)
		for len(c.events) > 0 && c.events[0].Time <= r.Time {
			if err := c.w.Append(c.events[0]); err != nil {
				return err
			}
			c.events = c.events[1:]
		}
	}
	return c.w.Append(rec)
}

// end finishes the copy, or takes it away after an error.
func (c *copying) end(err error) error {
	if c == nil {
		return err
	}
	for _, e := range c.events {
		err = errors.Join(err, c.w.Append(e))
	}
	last := mdf.Clock{Time: c.latest, Error: mdf.UnknownError}
	if c.last != nil {
		last = *c.last
	}
	if err == nil {
		err = c.w.Finish(last)
	}
	if err == nil && c.pack != "" {
		err = c.compress()
	}
	name := c.file.Name()
	err = errors.Join(err, c.file.Close())
	if err != nil || c.pack != "" {
		err = errors.Join(err, os.Remove(name))
	}
	return err
}

// compress puts the compressed form in place of the copy.
func (c *copying) compress() error {
	size, err := target{c.file}.Size()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(c.pack, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = mdf.Compress(out, c.file, size)
	if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
		return errors.Join(err, os.Remove(c.pack))
	}
	return nil
}
