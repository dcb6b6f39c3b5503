package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"canseal/decode/folder"
	"canseal/decode/input"
)

const nanosPerDay = 24 * 3600 * 1e9

func dayOf(ns int64) int64 {
	day := ns / nanosPerDay
	if ns%nanosPerDay < 0 {
		day--
	}
	return day
}

// unknownDay stands for times that nobody knows.
const unknownDay = int64(-1) << 62

// partOf tells which part of the session a time belongs to: a day since 1970,
// the place of a segment, or 0 for the whole.
func (t *tables) partOf(ns int64, clock input.Clock) int64 {
	switch {
	case t.per == "session":
		return 0
	case t.per == "segment":
		return int64(t.startOf(ns))
	case clock == input.Unknown:
		return unknownDay
	}
	return dayOf(ns)
}

// startOf returns the place of the segment that holds a time.
func (t *tables) startOf(ns int64) int {
	return max(0, sort.Search(len(t.starts), func(i int) bool { return t.starts[i].time > ns })-1)
}

// place returns the folder of a table.
func (t *tables) place(name string, bus uint8, part int64) string {
	device := t.session.Device
	if device == "" {
		device = "unknown"
	}
	device, name = folder.Name(device), folder.Name(name)
	if t.layout == "hive" {
		return "device=" + device + "/message=" + name + t.date("/date=", part)
	}
	if bus > 0 {
		name = fmt.Sprintf("CAN%d_%s", bus, name)
	}
	return device + "/" + name + strings.ReplaceAll(t.date("/", part), "-", "/")
}

// date is the part of a path that names the day, if files are by day.
func (t *tables) date(before string, part int64) string {
	switch {
	case t.per != "day":
		return ""
	case part == unknownDay:
		return before + "unknown"
	}
	return before + time.Unix(part*24*3600, 0).UTC().Format(time.DateOnly)
}

// stem names a file after the segment that holds its first row.
func (t *tables) stem(first int64) string {
	s := t.starts[t.startOf(first)].segment
	if s.Session != 0 {
		return fmt.Sprintf("%08d_%08d", s.Session, s.Split)
	}
	if s.File.Name == input.Stdin {
		return "stdin"
	}
	base := filepath.Base(s.File.Name)
	return folder.Name(strings.TrimSuffix(base, filepath.Ext(base))) + t.mark(&s.File)
}

// markBytes is how much of a file its mark is made of: some lines of a log, the
// begin of a header with its time.
const markBytes = 256

// mark tells files of one name apart that have no number of a session, by how
// they begin, so that one of them does not take the place of the other's tables.
// A log that grows keeps its mark.
func (t *tables) mark(f *input.File) string {
	if m, known := t.marks[f.Name]; known {
		return m
	}
	m := ""
	if r, err := f.Open(); err == nil { // else its reader tells the error
		begin, _ := io.ReadAll(io.LimitReader(r, markBytes))
		r.Close()
		sum := sha256.Sum256(begin)
		m = "_" + hex.EncodeToString(sum[:4])
	}
	t.marks[f.Name] = m
	return m
}
