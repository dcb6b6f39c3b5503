package main

import (
	"strings"
	"testing"
	"time"
)

func TestProgressIsShownNowAndThenAndLeavesNothing(t *testing.T) {
	var b strings.Builder
	now := time.Unix(0, 0)
	p := &progress{w: &b, now: func() time.Time { return now }}
	p.at(1000, "a.MF4")
	p.at(2000, "a.MF4") // too soon
	now = now.Add(time.Second)
	p.at(3000, strings.Repeat("long", 100)+"\x1b")
	p.end()
	text := b.String()
	if !strings.HasPrefix(text, "\r1,000 frames, a.MF4") || strings.Contains(text, "2,000") || strings.ContainsAny(text, "\x1b\n") {
		t.Errorf("%q", text)
	}
	if last := text[strings.LastIndex(text[:len(text)-1], "\r")+1:]; strings.Trim(last, " \r") != "" {
		t.Errorf("left: %q", last)
	}
}

func TestThereIsNoProgressInAPipe(t *testing.T) {
	var b strings.Builder
	p := newProgress(&b, false)
	p.at(1, "a")
	p.end()
	if b.Len() > 0 {
		t.Error(b.String())
	}
}
