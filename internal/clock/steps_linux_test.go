package clock_test

import (
	"context"
	"regexp"
	"testing"

	"canseal/internal/clock"
)

func TestTheBootHasAName(t *testing.T) {
	id := clock.BootID()
	if !regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`).MatchString(id) || id != clock.BootID() {
		t.Errorf("found %q, wanted a UUID, twice the same", id)
	}
}

// TestWatchingEnds: that Steps speaks shows TestInAGuest.
func TestWatchingEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	steps, err := clock.Steps(ctx)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case _, open := <-steps:
		t.Errorf("spoke, or ended (%v), before anything happened", open)
	default:
	}
	cancel()
	for range steps {
	}
}
