package main

import (
	"fmt"
	"io"
	"os"
	"time"
)

// progress tells on a terminal how far a run is, and is silent elsewhere.
type progress struct {
	w      io.Writer // nil: silent
	now    func() time.Time
	next   time.Time
	length int // of the line that stands there
}

const progressPeriod = 250 * time.Millisecond

func newProgress(w io.Writer, quiet bool) *progress {
	f, is := w.(*os.File)
	if !is || quiet {
		return &progress{}
	}
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return &progress{}
	}
	return &progress{w: w, now: time.Now}
}

// at shows where the run is, if it is time to.
func (p *progress) at(frames uint64, file string) {
	if p.w == nil || p.now().Before(p.next) {
		return
	}
	p.next = p.now().Add(progressPeriod)
	p.show(fmt.Sprintf("%s frames, %s", thousands(frames), shown(file)))
}

// show replaces the line.
func (p *progress) show(line string) {
	if p.w == nil {
		return
	}
	if runes := []rune(line); len(runes) > 79 {
		line = string(runes[:38]) + "..." + string(runes[len(runes)-38:])
	}
	length := len([]rune(line))
	fmt.Fprintf(p.w, "\r%s%*s\r%s", line, max(0, p.length-length), "", line)
	p.length = length
}

// end leaves an empty line.
func (p *progress) end() {
	if p.length > 0 {
		p.show("")
	}
}
