package main

import (
	"bufio"
	"fmt"
	"io"
	"os"

	"canseal/can"
	"canseal/decode/input"
	"canseal/decode/text"
	"canseal/mdf/buslog"
)

// frames writes a log of frames.
type frames interface {
	frame(*input.Item) error
	close() error
}

// log is the sink of logs: one text, from the first session to the last.
type log struct {
	frames
	sum  *summary
	name string   // of the file; "": standard output
	file *os.File // NAME.new
}

func newLog(s *settings, stdout io.Writer, sum *summary) (*log, error) {
	l := &log{sum: sum, name: s.output}
	w := stdout
	if l.name != "" && l.name != input.Stdin {
		file, err := os.Create(l.name + ".new")
		if err != nil {
			return nil, err
		}
		l.file, w = file, file
	}
	switch s.format {
	case "asc":
		l.frames = asc{text.NewASC(w)}
	case "raw-csv":
		raw, err := text.NewRaw(w)
		if err != nil {
			return nil, err
		}
		l.frames = rawCSV{raw}
	default:
		l.frames = newCandump(w)
	}
	return l, nil
}

func (l *log) begin(*input.Session) (skip bool, err error) { return false, nil }
func (l *log) end() error                                  { return nil }

func (l *log) item(it *input.Item) error {
	if it.Type != buslog.Frame {
		return nil
	}
	if it.Time < 0 {
		l.sum.Timeless++
		return nil
	}
	l.sum.Written++
	return l.frames.frame(it)
}

// close finishes the log; of one that ends early nothing is left in a file.
func (l *log) close(done error) error {
	err := l.frames.close()
	if done != nil { // told already, and often the same
		err = nil
	}
	if l.file == nil {
		return err
	}
	if e := l.file.Close(); err == nil {
		err = e
	}
	if err != nil || done != nil {
		os.Remove(l.file.Name())
		return err
	}
	return os.Rename(l.file.Name(), l.name)
}

type asc struct{ *text.ASC }

func (a asc) frame(it *input.Item) error { return a.Frame(&it.Event) }
func (a asc) close() error               { return a.Close() }

type rawCSV struct{ *text.Raw }

func (r rawCSV) frame(it *input.Item) error {
	return r.Frame(&it.Event, it.Encrypted, it.Clock.String())
}
func (r rawCSV) close() error { return r.Close() }

// candump writes the text of candump -l.
type candump struct {
	w      *bufio.Writer
	ifaces [256]string
}

func newCandump(w io.Writer) *candump {
	c := &candump{w: bufio.NewWriterSize(w, 1<<16)}
	for bus := range c.ifaces {
		c.ifaces[bus] = fmt.Sprintf("can%d", max(0, bus-1))
	}
	return c
}

func (c *candump) frame(it *input.Item) error {
	line := can.AppendCandump(c.w.AvailableBuffer(), &it.Event, c.ifaces[it.Bus])
	_, err := c.w.Write(append(line, '\n'))
	return err
}

func (c *candump) close() error { return c.w.Flush() }
