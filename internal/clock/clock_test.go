package clock_test

import (
	"testing"
	"testing/synctest"
	"time"

	"canseal/internal/clock"
)

// machine is a machine whose clock can be set.
type machine struct {
	wall, boot   time.Duration // since 1970, since boot
	synchronised bool
}

func (m *machine) read() clock.Reading {
	return clock.Reading{Wall: int64(m.wall), Boot: int64(m.boot), Synchronised: m.synchronised, ErrorMicros: 500, Source: clock.SourceHardware}
}

func (m *machine) pass(d time.Duration) { m.wall, m.boot = m.wall+d, m.boot+d }

func since1970(t time.Time) time.Duration { return time.Duration(t.UnixNano()) }

func at(s string) time.Time {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		panic(err)
	}
	return t
}

// TestRecordFloor is rule 2 of docs/formats.md C9.
func TestRecordFloor(t *testing.T) {
	build := at("2026-11-20")
	for _, row := range []struct {
		name         string
		wall         string
		known        string
		newest       string
		synchronised bool
		want         string // first stamp
		state        string
	}{
		{"a clock in 1970 starts at the build", "1970-01-01", "", "", false, "2026-11-20", "below_floor"},
		{"or at what was known", "1970-01-01", "2027-03-01", "", false, "2027-03-01", "below_floor"},
		{"or at the newest segment", "1970-01-01", "2027-03-01", "2027-03-02", false, "2027-03-02", "below_floor"},
		{"whichever is highest", "1970-01-01", "2027-03-03", "2027-03-02", false, "2027-03-03", "below_floor"},
		{"what was known before the build does not count", "1970-01-01", "2025-01-01", "", false, "2026-11-20", "below_floor"},
		{"a clock a day behind is behind", "2027-02-28", "2027-03-01", "", false, "2027-03-01", "below_floor"},
		{"a clock at the floor is right", "2027-03-01", "2027-03-01", "", false, "2027-03-01", "unsynchronised"},
		{"a clock ahead is believed", "2028-01-01", "2027-03-01", "", false, "2028-01-01", "unsynchronised"},
		{"a synchronised clock is believed", "2028-01-01", "2027-03-01", "", true, "2028-01-01", "synchronised"},
		{"also below the floor", "2026-12-01", "2027-03-01", "", true, "2026-12-01", "synchronised"},
		{"known 2099 does not count", "1970-01-01", "2099-01-01", "", false, "2026-11-20", "below_floor"},
		{"a segment of 2099 does not count", "1970-01-01", "2027-03-01", "2099-01-01", false, "2027-03-01", "below_floor"},
		{"ten years count", "1970-01-01", "2036-11-20", "", false, "2036-11-20", "below_floor"},
		{"one day more does not", "1970-01-01", "2036-11-21", "", false, "2026-11-20", "below_floor"},
	} {
		m := &machine{wall: since1970(at(row.wall)), synchronised: row.synchronised}
		o := clock.Options{Read: m.read, Build: build}
		if row.known != "" {
			o.Known = at(row.known)
		}
		if row.newest != "" {
			o.Newest = at(row.newest).UnixNano()
		}
		c := clock.New(o)
		s := c.Now()
		if got := time.Unix(0, s.Time).UTC(); !got.Equal(at(row.want)) || s.State() != row.state {
			t.Errorf("%s: found %s %s, wanted %s %s", row.name, got, s.State(), row.want, row.state)
		}
		if s.Wall != int64(m.wall) || s.Time != s.Wall+s.Offset || s.Offset != c.Offset() || s.BelowFloor != (s.Offset != 0) {
			t.Errorf("%s: found %+v", row.name, s)
		}
	}
}

func TestTheOffsetStaysUntilTheClockIsSet(t *testing.T) {
	m := &machine{}
	c := clock.New(clock.Options{Read: m.read, Build: at("2026-11-20")})
	offset := c.Offset()
	for range 3600 {
		m.pass(time.Second)
		m.wall += 500 * time.Microsecond // the fastest slewing
		if step, seen := c.Check(); seen {
			t.Fatalf("found %+v", step)
		}
	}
	if c.Offset() != offset || c.RecordFloor() != at("2026-11-20") {
		t.Errorf("found %d and %s, wanted the same as in the beginning", c.Offset(), c.RecordFloor())
	}
}

// TestSteps is rule 5: each row sets a clock that is one hour into its run.
func TestSteps(t *testing.T) {
	right := since1970(at("2027-06-01"))
	for _, row := range []struct {
		name         string
		before       machine
		by           time.Duration
		synchronised bool // after it
		seen, split  bool
		moved        time.Duration // what happens to stamps
		state        string
	}{
		{"10 ms are slewing", machine{wall: right}, 10 * time.Millisecond, false, false, false, 0, "unsynchronised"},
		{"more is a step", machine{wall: right}, 11 * time.Millisecond, false, true, false, 11 * time.Millisecond, "unsynchronised"},
		{"also backwards", machine{wall: right}, -11 * time.Millisecond, false, true, false, -11 * time.Millisecond, "unsynchronised"},
		{"below 1 s is an anchor", machine{wall: right}, time.Second - 1, false, true, false, time.Second - 1, "unsynchronised"},
		{"1 s splits", machine{wall: right}, time.Second, false, true, true, time.Second, "unsynchronised"},
		{"backwards, too", machine{wall: right}, -time.Hour, false, true, true, -time.Hour, "unsynchronised"},
		{"the first synchronisation without a step", machine{wall: right}, 0, true, true, false, 0, "synchronised"},
		{"and its loss", machine{wall: right, synchronised: true}, 0, false, true, false, 0, "unsynchronised"},
		{"from 1970 to the right time", machine{}, right, true, true, true, right - since1970(at("2026-11-20")), "synchronised"},
		{"from 1970 to the right time, by hand", machine{}, right, false, true, true, right - since1970(at("2026-11-20")), "unsynchronised"},
		{"from 1970 to 1980: stamps go on", machine{}, since1970(at("1980-01-01")), false, true, true, 0, "below_floor"},
		{"back to 1970: stamps go on", machine{wall: right}, -right, false, true, true, 0, "below_floor"},
		{"an hour back, and still above the floor", machine{wall: right}, -time.Hour, false, true, true, -time.Hour, "unsynchronised"},
		{"synchronised below the floor: the offset is dropped", machine{wall: since1970(at("2026-11-19"))}, 0, true, true, true, -24 * time.Hour, "synchronised"},
		{"from 2099 to 1970: a date that is a lie is not gone on from", machine{wall: since1970(at("2099-01-01"))}, -since1970(at("2099-01-01")), false, true, true,
			since1970(at("2026-11-20")) - since1970(at("2099-01-01")) - time.Hour, "below_floor"},
	} {
		m := row.before
		c := clock.New(clock.Options{Read: m.read, Build: at("2026-11-20")})
		m.pass(time.Hour)
		c.Check()
		before := c.Now().Time
		m.wall += row.by
		m.synchronised = row.synchronised
		if between := c.Now().Time; row.by.Abs() > 10*time.Millisecond && between != before {
			t.Errorf("%s: before the check a stamp moved by %s", row.name, time.Duration(between-before))
		}
		step, seen := c.Check()
		if seen != row.seen || step.Split != row.split || step.Now.State() != row.state {
			t.Errorf("%s: found seen %v, split %v, %s; wanted %v, %v, %s", row.name, seen, step.Split, step.Now.State(), row.seen, row.split, row.state)
		}
		wantBy := row.by
		if !row.seen {
			wantBy = 0
		}
		if step.By != wantBy || step.Moved != row.moved {
			t.Errorf("%s: found %s, stamps %s; wanted %s, %s", row.name, step.By, step.Moved, wantBy, row.moved)
		}
		if moved := time.Duration(step.Now.Time - before); row.seen && moved != row.moved {
			t.Errorf("%s: stamps moved by %s, wanted %s", row.name, moved, row.moved)
		}
		if step.Synced != (row.before.synchronised != row.synchronised) || step.Set() != (step.By != 0 || step.Moved != 0) {
			t.Errorf("%s: found %+v", row.name, step)
		}
		if _, again := c.Check(); again {
			t.Errorf("%s: seen twice", row.name)
		}
	}
}

func TestStepsSplitOnceInTenMinutes(t *testing.T) {
	m := &machine{wall: since1970(at("2027-06-01"))}
	c := clock.New(clock.Options{Read: m.read, Build: at("2026-11-20")})
	splits, steps := 0, 0
	for range 3600 {
		m.pass(time.Second)
		m.wall += 2 * time.Second
		step, seen := c.Check()
		if seen {
			steps++
		}
		if step.Split {
			splits++
		}
	}
	if steps != 3600 || splits != 6 {
		t.Errorf("found %d steps and %d splits, wanted 3600 and 6", steps, splits)
	}
	if s := c.Status(); s.Steps != 3600 || s.LastStep != 2000 {
		t.Errorf("found %+v", s)
	}
}

// TestTrustFloor is rule 3: what raises it, and what does not.
func TestTrustFloor(t *testing.T) {
	build := at("2026-11-20")
	m := &machine{wall: since1970(at("2099-01-01")), synchronised: true}
	c := clock.New(clock.Options{Read: m.read, Build: build, Known: at("2030-01-01"), Newest: at("2031-01-01").UnixNano()})
	if got := c.TrustFloor(); got != build {
		t.Errorf("after GNSS of 2099, a known time and a segment found %s, wanted the build", got)
	}
	if got := c.TrustedNow(); got != at("2099-01-01") {
		t.Errorf("found %s, wanted the wall clock", got)
	}
	c.AcceptTrust(at("2099-01-01"))
	if got := c.TrustFloor(); got != build {
		t.Errorf("after 2099 was accepted found %s, wanted the build", got)
	}
	c.AcceptTrust(at("2027-05-01"))
	c.AcceptTrust(at("2027-04-01"))
	if got := c.TrustFloor(); got != at("2027-05-01") {
		t.Errorf("found %s, wanted the latest accepted", got)
	}
	m.wall, m.synchronised = since1970(at("1970-01-02")), false
	c.Check()
	if got := c.TrustedNow(); got != at("2027-05-01") {
		t.Errorf("in 1970 found %s, wanted the trust floor and not the record floor", got)
	}
	c.ResetTrust()
	if got := c.TrustFloor(); got != build {
		t.Errorf("after the reset found %s, wanted the build", got)
	}
}

func TestAfterALieTheRightTimeHeals(t *testing.T) {
	m := &machine{wall: since1970(at("2099-01-01")), synchronised: true}
	c := clock.New(clock.Options{Read: m.read, Build: at("2026-11-20")})
	m.pass(time.Hour)
	c.Check()
	m.wall = since1970(at("2027-01-01"))
	step, seen := c.Check()
	if !seen || !step.Split || c.TrustedNow() != at("2027-01-01") || time.Unix(0, c.Now().Time).UTC() != at("2027-01-01") {
		t.Errorf("found %+v, %s", step, c.TrustedNow())
	}
}

func TestSourcesHaveTheTextsOfTheRecord(t *testing.T) {
	for source, want := range map[clock.Source]string{
		0: "unknown", 1: "hardware clock", 2: "kernel synchronised", 3: "CAN message", 4: "set by hand", 5: "restored", 6: "reserved", 255: "reserved",
	} {
		if got := source.String(); got != want {
			t.Errorf("%d: found %s, wanted %s", source, got, want)
		}
	}
}

func TestAStampBelowTheFloorIsARestoredTime(t *testing.T) {
	m := &machine{}
	c := clock.New(clock.Options{Read: m.read, Build: at("2026-11-20")})
	if s := c.Now(); s.Source != clock.SourceRestored || !s.BelowFloor || s.Error != 500 {
		t.Errorf("found %+v", s)
	}
	status := c.Status()
	if status.Source != "restored" || status.Offset != c.Offset() || status.Floor != at("2026-11-20") || *status.ErrorMicros != 500 {
		t.Errorf("found %+v", status)
	}
}

// TestItRunsInVirtualTime is how the recorder's tests use it.
func TestItRunsInVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		read := func() clock.Reading {
			return clock.Reading{Wall: time.Now().UnixNano(), Boot: int64(time.Since(start)), ErrorMicros: clock.Unsure}
		}
		c := clock.New(clock.Options{Read: read, Build: start.AddDate(1, 0, 0)})
		time.Sleep(time.Hour)
		if step, seen := c.Check(); seen {
			t.Errorf("found %+v", step)
		}
		if got := time.Unix(0, c.Now().Time); !got.Equal(start.AddDate(1, 0, 0).Add(time.Hour)) {
			t.Errorf("found %s", got)
		}
		if c.Status().ErrorMicros != nil {
			t.Error("an unknown error has a number")
		}
	})
}

func TestTheSystemClockIsRead(t *testing.T) {
	first := clock.System()
	second := clock.System()
	if second.Boot < first.Boot || time.Since(time.Unix(0, first.Wall)).Abs() > time.Minute {
		t.Errorf("found %+v and %+v", first, second)
	}
	if c := clock.New(clock.Options{}); c.Now().Time < clock.Build().UnixNano() {
		t.Errorf("found %+v", c.Now())
	}
}
