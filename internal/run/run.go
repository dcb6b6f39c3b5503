package run

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"
)

// Component is a piece of the program with a life of its own.
type Component interface {
	// Run works until ctx ends or nothing is left to do.
	Run(ctx context.Context) error
	// String names the component in logs and in device.json.
	String() string
}

// Status is the state of a service, as device.json has it.
type Status struct {
	Name     string    `json:"name"`
	State    string    `json:"state"` // running, failed, stopped
	Restarts int       `json:"restarts"`
	Error    string    `json:"error,omitempty"`
	Since    time.Time `json:"since"`
}

// Pauses between a failure and the next start.
const (
	firstPause = time.Second
	lastPause  = time.Minute
)

// Service runs one component again and again until its context ends.
type Service struct {
	component Component
	log       *slog.Logger

	mu     sync.Mutex
	status Status
}

// NewService wraps a component. log may be nil.
func NewService(c Component, log *slog.Logger) *Service {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Service{component: c, log: log, status: Status{Name: c.String(), State: "stopped", Since: time.Now().UTC()}}
}

// Run runs the component, and starts it again when it fails, until ctx ends
// or the component returns nil.
func (s *Service) Run(ctx context.Context) {
	pause := firstPause
	for {
		started := time.Now()
		s.set("running", nil)
		err := guarded(ctx, s.component)
		if err == nil || ctx.Err() != nil {
			s.set("stopped", nil)
			return
		}
		s.set("failed", err)
		s.log.Error("service failed", "service", s.component.String(), "error", err)
		if time.Since(started) > lastPause {
			pause = firstPause
		}
		if !sleep(ctx, pause) {
			s.set("stopped", err)
			return
		}
		pause = min(2*pause, lastPause)
	}
}

// Status returns a copy of the service's state.
func (s *Service) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

func (s *Service) set(state string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if state == "running" && s.status.State == "failed" {
		s.status.Restarts++
	}
	s.status.State, s.status.Since = state, time.Now().UTC()
	if err != nil {
		s.status.Error = err.Error()
	}
}

// guarded turns a panic of the component into an error: a service must not
// take the recording with it.
func guarded(ctx context.Context, c Component) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s: panic: %v\n%s", c, p, debug.Stack())
		}
	}()
	return c.Run(ctx)
}

// sleep waits for d and reports false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// Func makes a component of a function.
func Func(name string, f func(context.Context) error) Component { return function{name, f} }

type function struct {
	name string
	f    func(context.Context) error
}

func (f function) Run(ctx context.Context) error { return f.f(ctx) }
func (f function) String() string                { return f.name }
