package clock_test

import (
	"strings"
	"testing"
	"time"

	"canseal/internal/clock"
	"canseal/internal/durable"
	"canseal/internal/durable/memfs"
)

func TestFloorsOutliveTheRun(t *testing.T) {
	f := memfs.New()
	if known, trust, err := clock.Load(f); !known.IsZero() || !trust.IsZero() || err != nil {
		t.Errorf("at the first start found %s, %s, %v", known, trust, err)
	}
	m := &machine{wall: since1970(at("2027-06-01"))}
	c := clock.New(clock.Options{Read: m.read, Build: at("2026-11-20")})
	c.AcceptTrust(at("2027-05-01"))
	if err := c.Save(f); err != nil {
		t.Fatal(err)
	}
	data, _ := durable.ReadFile(f, "clock", 100)
	if want := `{"known":"2027-06-01T00:00:00Z","trust":"2027-05-01T00:00:00Z"}` + "\n"; string(data) != want {
		t.Errorf("found %s, wanted %s", data, want)
	}
	known, trust, err := clock.Load(f.Crash(0))
	if known != at("2027-06-01") || trust != at("2027-05-01") || err != nil {
		t.Errorf("found %s, %s, %v", known, trust, err)
	}
}

func TestOnlyTimesThatCanBeTrueAreKept(t *testing.T) {
	f := memfs.New()
	m := &machine{wall: since1970(at("2099-01-01"))}
	c := clock.New(clock.Options{Read: m.read, Build: at("2026-11-20"), Known: at("2027-01-01")})
	c.Save(f)
	if known, trust, err := clock.Load(f); known != at("2027-01-01") || !trust.IsZero() || err != nil {
		t.Errorf("found %s, %s, %v; wanted what was known before", known, trust, err)
	}
}

func TestABrokenStateFileGivesWhatItCan(t *testing.T) {
	for text, known := range map[string]time.Time{
		"":                        {},
		"{":                       {},
		`{"known":5}`:             {},
		`{"known":"yesterday"}`:   {},
		strings.Repeat("x", 5000): {},
		`{"known":"2027-01-01T00:00:00Z","trust":"?"}`: at("2027-01-01"),
	} {
		f := memfs.New()
		durable.WriteFile(f, clock.StateFile, []byte(text), 0o600)
		got, trust, err := clock.Load(f)
		if got != known || !trust.IsZero() || err == nil {
			t.Errorf("%.20q: found %s, %s, %v", text, got, trust, err)
		}
	}
}

func TestFloorsAreOldOrNewAfterACut(t *testing.T) {
	memfs.EachCrash(t, func(f *memfs.FS) { saved(f, "2027-01-01") }, func(f *memfs.FS) error {
		return saved(f, "2027-01-02")
	}, func(f *memfs.FS) {
		if known, _, err := clock.Load(f); known != at("2027-01-01") && known != at("2027-01-02") || err != nil {
			t.Fatalf("found %s, %v", known, err)
		}
	})
	f := memfs.New()
	f.Limit(0)
	if err := saved(f, "2027-01-01"); err == nil {
		t.Errorf("a full state folder took it")
	}
}

func saved(f *memfs.FS, now string) error {
	m := &machine{wall: since1970(at(now))}
	return clock.New(clock.Options{Read: m.read, Build: at("2026-11-20")}).Save(f)
}

func TestTrustThatWasWonIsWorthSaving(t *testing.T) {
	c := clock.New(clock.Options{Build: at("2026-11-20"), Read: func() clock.Reading { return clock.Reading{Wall: at("2026-11-20").UnixNano()} }})
	won := func() bool {
		select {
		case <-c.Won():
			return true
		default:
			return false
		}
	}
	for _, row := range []struct {
		accepted time.Time
		want     bool
	}{{at("2026-11-20").Add(-time.Hour), false}, {at("2026-11-20").Add(24 * time.Hour), true}, {at("2026-11-20").Add(24*time.Hour + time.Minute), false}, {at("2026-11-20").AddDate(73, 0, 0), false}} {
		c.AcceptTrust(row.accepted)
		if got := won(); got != row.want {
			t.Errorf("accepted at %s: worth saving %v, want %v", row.accepted, got, row.want)
		}
	}
}

func TestDropTrustKeepsWhatIsKnown(t *testing.T) {
	f := memfs.New()
	c := clock.New(clock.Options{Build: at("2026-11-20"), Read: func() clock.Reading { return clock.Reading{Wall: at("2026-11-20").Add(time.Hour).UnixNano()} }})
	c.AcceptTrust(at("2026-11-20").Add(30 * time.Minute))
	if err := c.Save(f); err != nil {
		t.Fatal(err)
	}
	if err := clock.DropTrust(f); err != nil {
		t.Fatal(err)
	}
	known, trust, err := clock.Load(f)
	if err != nil || !trust.IsZero() || !known.Equal(at("2026-11-20").Add(time.Hour)) {
		t.Errorf("known %s, trust %s, %v", known, trust, err)
	}
}
