package clock

import (
	"sync"
	"time"
)

// Build is the time of this version. It is raised with each entry of the
// CHANGELOG: build information has no time under go run and in reproducible
// builds. No true time lies before it.
func Build() time.Time { return time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC) }

const (
	// stepMin is the change of REALTIME - BOOTTIME above which the clock was set
	// and not slewed: the kernel slews by at most 0.5 ms in a second.
	stepMin = 10 * time.Millisecond
	// splitMin is the step from which a new segment begins.
	splitMin = time.Second
	// splitPause lies between two such segments, so that a nervous clock does not
	// flood the bucket.
	splitPause = 10 * time.Minute
	// believedYears is the span after the build in which dates count for the floors.
	believedYears = 10
)

// Source says where the time of the machine comes from: the codes of the
// CANseal_Clock record (docs/formats.md C2).
type Source uint8

const (
	SourceUnknown Source = iota
	SourceHardware
	SourceKernel // synchronised, by NTP, PTP or GNSS
	SourceCAN
	SourceHand
	SourceRestored // a saved time: plausible, and wrong
)

func (s Source) String() string {
	texts := [...]string{"unknown", "hardware clock", "kernel synchronised", "CAN message", "set by hand", "restored"}
	if int(s) < len(texts) {
		return texts[s]
	}
	return "reserved"
}

// Unsure is the error of a clock of which nothing is known.
const Unsure uint32 = 0xFFFFFFFF

// Reading is one look at the clocks of the machine.
type Reading struct {
	Wall         int64 // CLOCK_REALTIME, ns since 1970 UTC
	Boot         int64 // CLOCK_BOOTTIME, ns
	Synchronised bool  // the kernel says so
	ErrorMicros  uint32
	Source       Source
}

// Options of a Clock. Zero times are absent.
type Options struct {
	Read   func() Reading // nil: System
	Build  time.Time      // zero: Build()
	Known  time.Time      // record floor of state/clock
	Trust  time.Time      // trust floor of state/clock
	Newest int64          // HD start of the newest segment on the card, ns; 0: none
}

// Clock gives the stamps of one run. Its methods may be called from any goroutine.
type Clock struct {
	read  func() Reading
	build time.Time
	won   chan struct{}

	mu     sync.Mutex
	known  time.Time
	trust  time.Time
	newest time.Time

	base   int64 // Wall - Boot, of the last look
	synced bool  // the same
	offset int64
	below  bool

	steps    int
	lastStep time.Duration
	split    int64 // Boot of the last step that split a segment
	hasSplit bool
}

// New looks at the clock and fixes the offset.
func New(o Options) *Clock {
	c := &Clock{read: o.Read, build: o.Build, won: make(chan struct{}, 1)}
	if c.read == nil {
		c.read = System
	}
	if c.build.IsZero() {
		c.build = Build()
	}
	c.known, c.trust = c.believable(o.Known), c.believable(o.Trust)
	if o.Newest > 0 {
		c.newest = c.believable(time.Unix(0, o.Newest))
	}
	r := c.read()
	c.base, c.synced = r.Wall-r.Boot, r.Synchronised
	c.settle(r, time.Time{})
	return c
}

// believable turns a date that is too late to be true into none.
func (c *Clock) believable(t time.Time) time.Time {
	if t.After(c.build.AddDate(believedYears, 0, 0)) {
		return time.Time{}
	}
	return t
}

// settle finds the offset for a clock that reads r. Below the floor time goes on
// from the last stamp, where that is higher.
func (c *Clock) settle(r Reading, last time.Time) {
	c.offset, c.below = 0, false
	if floor := c.recordFloor(); !r.Synchronised && r.Wall < floor.UnixNano() {
		c.offset, c.below = latest(floor, c.believable(last)).UnixNano()-r.Wall, true
	}
}

// Stamp is a moment as it is recorded.
type Stamp struct {
	Time         int64 // Wall + Offset: the time of names and records, ns since 1970 UTC
	Wall         int64 // CLOCK_REALTIME, ns since 1970 UTC
	Boot         int64 // CLOCK_BOOTTIME, ns
	Offset       int64 // ns
	Synchronised bool
	BelowFloor   bool // the offset is in force
	Error        uint32
	Source       Source
}

// State is the word for a stamp in seal records and device.json.
func (s Stamp) State() string {
	switch {
	case s.BelowFloor:
		return "below_floor"
	case s.Synchronised:
		return "synchronised"
	}
	return "unsynchronised"
}

// Now is the present moment under the offset in force. That the clock was set is
// seen by the next Check and not here, so Time does not jump between two checks.
func (c *Clock) Now() Stamp {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stamp(c.read())
}

func (c *Clock) stamp(r Reading) Stamp {
	s := Stamp{
		Time: r.Wall + c.offset, Wall: r.Wall, Boot: r.Boot, Offset: c.offset,
		Synchronised: r.Synchronised, BelowFloor: c.below, Error: r.ErrorMicros, Source: r.Source,
	}
	if c.jump(r) != 0 {
		s.Time = c.base + r.Boot + c.offset
	}
	if c.below {
		s.Source = SourceRestored
	}
	return s
}

// jump is the change of REALTIME - BOOTTIME since the last look, 0 if that was
// slewing.
func (c *Clock) jump(r Reading) time.Duration {
	by := time.Duration(r.Wall - r.Boot - c.base)
	if by.Abs() <= stepMin {
		return 0
	}
	return by
}

// Offset is added to every kernel stamp, ns.
func (c *Clock) Offset() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.offset
}

// Step is a change that the record must show: an anchor always, a new segment
// when Split is set.
type Step struct {
	By     time.Duration // change of CLOCK_REALTIME against CLOCK_BOOTTIME
	Moved  time.Duration // the same of stamps: By and the change of the offset
	Split  bool          // from 1 s on, at most once in 10 min
	Synced bool          // synchronisation was won or lost
	Now    Stamp         // after the change
}

// Set reports whether time jumped; if not, only Synced changed.
func (s Step) Set() bool { return s.By != 0 || s.Moved != 0 }

// Check looks whether the clock was set since the look before. The recorder
// calls it each second, and when Steps speaks.
func (c *Clock) Check() (Step, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.read()
	before, last := c.offset, time.Unix(0, c.base+r.Boot+c.offset)
	step := Step{By: c.jump(r), Synced: r.Synchronised != c.synced}
	c.base, c.synced = r.Wall-r.Boot, r.Synchronised
	if step.By != 0 || c.below && r.Synchronised {
		c.settle(r, last)
	}
	step.Moved = step.By + time.Duration(c.offset-before)
	if step.Set() {
		c.note(&step, r.Boot)
	}
	step.Now = c.stamp(r)
	return step, step.Set() || step.Synced
}

// note counts a step and decides whether it splits.
func (c *Clock) note(s *Step, boot int64) {
	c.steps++
	c.lastStep = s.By
	if s.By == 0 {
		c.lastStep = s.Moved
	}
	small := max(s.By.Abs(), s.Moved.Abs()) < splitMin
	if small || c.hasSplit && boot-c.split < int64(splitPause) {
		return
	}
	s.Split, c.split, c.hasSplit = true, boot, true
}
