package clock_test

import (
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"canseal/internal/clock"
	"canseal/internal/vmtest"
)

// TestInAGuest runs the tests of this package where a clock may be set.
func TestInAGuest(t *testing.T) {
	if os.Getenv("CANSEAL_GUEST") != "" {
		t.Skip("internal/clock: this is the guest")
	}
	vmtest.Require(t, "internal/clock: a clock that is set")
	vmtest.Run(t, vmtest.Guest{
		Tests:  map[string]string{"/clock.test": "canseal/internal/clock"},
		Script: "env CANSEAL_GUEST 1\nrun /clock.test -test.v -test.run TestInTheGuest|TestTheBoot|TestWatching",
	})
}

func TestInTheGuestAClockThatIsSetIsSeenAtOnce(t *testing.T) {
	if os.Getenv("CANSEAL_GUEST") == "" {
		t.Skip("internal/clock: runs in the guest alone, started by TestInAGuest")
	}
	steps, err := clock.Steps(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	set(t, time.Unix(1000, 0)) // 1970, as a box without a battery wakes up
	await(t, steps)
	c := clock.New(clock.Options{})
	if s := c.Now(); !s.BelowFloor || s.Time < clock.Build().UnixNano() {
		t.Errorf("in 1970 found %+v", s)
	}
	if _, seen := c.Check(); seen {
		t.Error("a step was seen before the clock was set")
	}
	right := clock.Build().AddDate(0, 1, 0)
	for range 2 { // the timer goes on after it spoke
		set(t, right)
		await(t, steps)
	}
	step, seen := c.Check()
	if !seen || !step.Split || step.Now.BelowFloor || c.Offset() != 0 {
		t.Errorf("found %+v", step)
	}
	if got := time.Unix(0, step.Now.Time); got.Sub(right).Abs() > 10*time.Second {
		t.Errorf("found %s, wanted %s", got, right)
	}
}

func set(t *testing.T, to time.Time) {
	t.Helper()
	now := unix.NsecToTimespec(to.UnixNano())
	if err := unix.ClockSettime(unix.CLOCK_REALTIME, &now); err != nil {
		t.Fatal(err)
	}
}

func await(t *testing.T, steps <-chan struct{}) {
	t.Helper()
	select {
	case <-steps:
	case <-time.After(10 * time.Second):
		t.Fatal("nothing was said when the clock was set")
	}
}
