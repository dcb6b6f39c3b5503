package node

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"syscall"
	"time"

	"canseal/can"
	"canseal/cancrypt"
)

// Port is a bus to take part in: socketcan.Participant is one.
type Port interface {
	// Send hands a frame to the controller, in order, without waiting.
	Send(f can.Frame) error
	// Run hands out the events of the bus, stamped with the wall clock, own
	// frames with Dir can.Tx, until Close; then it returns nil.
	Run(handle func(can.Event)) error
	// Idle reports whether every frame that was queued as it was called has been
	// handed out.
	Idle() bool
	// Close makes Run return.
	Close() error
}

// Options are what a Node needs. The functions are called by the node's
// goroutine, which waits for them; any may be nil.
type Options struct {
	Bus    uint8
	Member cancrypt.MemberOptions // Random nil: the operating system's
	Open   func() (Port, error)

	// Device answers pairings beside the group, on the same bus; nil: nobody does.
	// Its heartbeats say when it is paired. Pairing and Message are told about it.
	Device  *cancrypt.Device
	Pairing func(cancrypt.PairEvent) // its Time is the wall clock's
	Message func(cancrypt.PairMessage)

	Deliver func(cancrypt.Delivery)
	Event   func(cancrypt.SecurityEvent)
	State   func(at time.Time, s cancrypt.State)

	// Full reports that a frame could not be sent only because the queue of the
	// interface is full, so that it is tried again. nil: ENOBUFS.
	Full func(error) bool

	Log *slog.Logger // nil: silent
}

// Bounds and pauses.
const (
	mostEvents   = 1024
	mostRequests = 64
	mostFrames   = 256
	slack        = 2 * time.Millisecond // by which deadlines are processed late
	mostCatchUp  = time.Second
	resendAfter  = 2 * time.Millisecond
	publishAfter = 100 * time.Millisecond
	leaveTime    = 2 * time.Second // at most, to leave in order
)

// Counters count since the node was made.
type Counters struct {
	Sent      uint64 `json:"sent" help:"frames handed to the controller"`
	Delivered uint64 `json:"delivered" help:"messages found authentic and handed on"`
	Missed    uint64 `json:"missed" help:"events dropped because the node was busy"`
	Withdrawn uint64 `json:"withdrawn" help:"frames that could not be sent in time"`
	Refused   uint64 `json:"refused" help:"frames that the interface refused"`
}

// Status is a node's state, as device.json has it.
type Status struct {
	Bus      uint8             `json:"bus"`
	Address  uint8             `json:"address"`
	State    string            `json:"state"` // off, joining, synchronising, grouped, silent (docs/formats.md C2)
	Since    time.Time         `json:"since"`
	Updates  uint16            `json:"key_updates"` // since the group's start
	Members  []int             `json:"members"`     // of the group, this one included
	Lost     []int             `json:"lost"`
	Left     []int             `json:"left"`
	Errors   map[string]uint16 `json:"errors"` // error counters that are not zero
	Counters Counters          `json:"counters"`
}

// Node is a member of a group as a service.
type Node struct {
	o        Options
	log      *slog.Logger
	member   *cancrypt.Member
	requests chan request

	mu     sync.Mutex
	status Status
}

// request is something that the owner of the member does for somebody else.
type request struct {
	do   func(m *cancrypt.Member, now int64, out *cancrypt.MemberOut) error
	done chan error
}

// New checks the options. Run does the work.
func New(o Options) (*Node, error) {
	if o.Member.Random == nil {
		o.Member.Random = func(b []byte) { rand.Read(b) } // never fails
	}
	if o.Device != nil {
		o.Member.Paired = o.Device.Paired
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Full == nil {
		o.Full = func(err error) bool { return errors.Is(err, syscall.ENOBUFS) }
	}
	m, err := cancrypt.NewMember(o.Member)
	if err != nil {
		return nil, fmt.Errorf("CANcrypt member on bus %d: %w", o.Bus, err)
	}
	n := &Node{o: o, log: o.Log, member: m, requests: make(chan request, mostRequests)}
	n.status = Status{Bus: o.Bus, Address: o.Member.Address, State: text(m.State()), Since: time.Now().UTC()}
	return n, nil
}

// text is a state as logs and device.json have it.
func text(s cancrypt.State) string { return (can.CryptOff + can.State(s)).String() }

// String names the service.
func (n *Node) String() string { return fmt.Sprintf("CANcrypt member on bus %d", n.o.Bus) }

// Format writes String for every verb: a node holds keys.
func (n *Node) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, n.String()) }

// Send secures one message, or 2-8 as a stream, and sends it: data frames of the
// member's own records, or one heartbeat-only message. It waits for the node,
// not for the bus. Errors are those of cancrypt.Member.Send, or the context's.
func (n *Node) Send(ctx context.Context, messages ...can.Frame) error {
	return n.ask(ctx, func(m *cancrypt.Member, now int64, out *cancrypt.MemberOut) error {
		return m.Send(now, messages, out)
	})
}

// Vouch starts a heartbeat cycle early, so that messages are authentic sooner.
func (n *Node) Vouch(ctx context.Context) error {
	return n.ask(ctx, func(m *cancrypt.Member, now int64, out *cancrypt.MemberOut) error {
		m.Vouch(now, out)
		return nil
	})
}

// Regroup starts the group anew by the operator's wish.
func (n *Node) Regroup(ctx context.Context) error {
	return n.ask(ctx, func(m *cancrypt.Member, now int64, out *cancrypt.MemberOut) error {
		m.Regroup(now, out)
		return nil
	})
}

func (n *Node) ask(ctx context.Context, do func(*cancrypt.Member, int64, *cancrypt.MemberOut) error) error {
	r := request{do, make(chan error, 1)}
	select {
	case n.requests <- r:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Status returns a copy of the node's state.
func (n *Node) Status() Status {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.status
}

// Run takes part until ctx ends or the port fails.
func (n *Node) Run(ctx context.Context) error {
	port, err := n.o.Open()
	if err != nil {
		return fmt.Errorf("%s: %w", n, err)
	}
	l := &loop{n: n, port: port, clock: startClock(), events: make(chan can.Event, mostEvents), failed: make(chan error, 1)}
	defer l.close()
	l.ended.Add(1)
	go l.listen()
	return l.run(ctx)
}

// errEnded is a port that stopped by itself.
var errEnded = errors.New("the port ended")
