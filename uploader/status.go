package uploader

import (
	"slices"
	"time"

	"canseal/segment"
)

// Status is section upload of device.json.
type Status struct {
	Mode         string     `json:"mode"`
	State        string     `json:"state"`            // idle, sending, retry, operator
	Class        string     `json:"class,omitempty"`  // of the error that stops the flow
	Reason       string     `json:"reason,omitempty"` // the same in words
	Since        time.Time  `json:"since"`            // of state and class
	NextTry      *time.Time `json:"next_try,omitempty"`
	Endpoint     string     `json:"endpoint"`
	Bucket       string     `json:"bucket"`
	Queue        Queue      `json:"queue"`
	Sent         Sent       `json:"sent"`
	Last         *Last      `json:"last,omitempty"`
	Parked       []Parked   `json:"parked"`        // at most 100
	PlainDeleted int        `json:"plain_deleted"` // counted by retention; appliance fills it in
	ResentBytes  int64      `json:"resent_bytes"`  // read and sent in vain
}

// Queue is what waits.
type Queue struct {
	Segments int    `json:"segments"`
	Bytes    int64  `json:"bytes"`
	Oldest   string `json:"oldest,omitempty"` // SESSION/SPLIT
	ETA      int64  `json:"eta_s,omitempty"`  // seconds, at the rate so far
}

// Sent is what was confirmed since the start of the program.
type Sent struct {
	Segments int   `json:"segments"`
	Bytes    int64 `json:"bytes"`
}

// Last is the segment confirmed last.
type Last struct {
	Session uint32    `json:"session"`
	Split   uint32    `json:"split"`
	Time    time.Time `json:"time"`
}

// Parked is a segment that is left alone.
type Parked struct {
	Session uint32 `json:"session"`
	Split   uint32 `json:"split"`
	Class   string `json:"class"`
}

const (
	maxParked = 100 // device.json has at most 64 KiB
	maxReason = 400 // bytes: a reason names the certificate, why, and what to do
)

// Status returns a copy of the state.
func (u *Uploader) Status() Status {
	u.mu.Lock()
	defer u.mu.Unlock()
	s := u.state
	s.Parked = make([]Parked, 0, len(u.parked))
	names := make([]segment.Name, 0, len(u.parked))
	for n := range u.parked {
		names = append(names, n)
	}
	slices.SortFunc(names, segment.Name.Compare)
	for _, n := range names[:min(len(names), maxParked)] {
		s.Parked = append(s.Parked, Parked{n.Session, n.Split, u.parked[n].class.String()})
	}
	return s
}

// publish brings the state up to date for Status.
func (u *Uploader) publish() {
	b := u.breaker
	state, class := b.state(), ""
	var nextTry *time.Time
	if b.stopped {
		class = b.class.String()
		at := b.until.UTC().Truncate(time.Second)
		nextTry = &at
	}
	if len(u.flying) > 0 {
		state = "sending"
	}
	q := u.waiting()
	u.mu.Lock()
	defer u.mu.Unlock()
	if state != u.state.State || class != u.state.Class {
		u.state.Since = time.Now().UTC().Truncate(time.Millisecond)
	}
	u.state.State, u.state.Class, u.state.Reason, u.state.NextTry, u.state.Queue = state, class, b.reason, nextTry, q
}

// state is the word of device.json.
func (b breaker) state() string {
	switch {
	case !b.stopped:
		return "idle"
	case b.action == Operator:
		return "operator"
	}
	return "retry"
}

// waiting sums up the queue.
func (u *Uploader) waiting() Queue {
	q := Queue{Segments: len(u.queue)}
	var oldest segment.Name
	for _, it := range u.queue {
		q.Bytes += it.size
		if oldest == (segment.Name{}) || it.Name.Compare(oldest) < 0 {
			oldest = it.Name
		}
	}
	if q.Segments > 0 {
		q.Oldest, q.ETA = oldest.String(), u.rate.eta(q.Bytes)/int64(u.o.Workers)
	}
	return q
}

// waste adds up what was read and sent in vain.
func (u *Uploader) waste(bytes int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.state.ResentBytes += bytes
}

// rate is how fast segments went so far.
type rate struct {
	bytes int64
	took  time.Duration
}

func (r *rate) add(sent segment.Receipt, took time.Duration) {
	if sent.By == "stat" {
		return
	}
	r.bytes += sent.Size
	r.took += took
}

// eta returns seconds, 0 for unknown.
func (r *rate) eta(bytes int64) int64 {
	if r.bytes == 0 {
		return 0
	}
	return int64(r.took.Seconds() * float64(bytes) / float64(r.bytes))
}

// shorten cuts a text for a status.
func shorten(s string) string {
	if len(s) > maxReason {
		s = s[:maxReason]
	}
	return s
}
