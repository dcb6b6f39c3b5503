//go:build !linux

package clock

import (
	"context"
	"sync"
	"time"
)

// System reads the wall clock, and as Boot the time since the first reading,
// which never jumps. Whether the machine is synchronised is not known here.
func System() Reading {
	start := first()
	now := time.Now()
	return Reading{Wall: now.UnixNano(), Boot: int64(now.Sub(start)), ErrorMicros: Unsure}
}

var first = sync.OnceValue(time.Now)

// BootID is empty: only Linux tells one.
func BootID() string { return "" }

// Steps never speaks here; Check finds steps.
func Steps(context.Context) (<-chan struct{}, error) { return nil, nil }
