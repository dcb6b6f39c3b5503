package s3test

import (
	"io"
	"net/http"
	"strings"
	"time"
)

// Effect is what a Fault does.
type Effect uint8

// The effects. Where nothing else is said the request is otherwise served as
// usual.
const (
	// Answer with Status and Code (or Body) once the body has been read.
	Answer Effect = iota
	// Early is Answer before the body is read; then the connection is closed.
	Early
	// Cut closes the connection after At bytes of the body (as on the wire);
	// nothing is stored.
	Cut
	// Lose does what was asked, then closes the connection without an answer.
	Lose
	// Slow reads At bytes of the body at a time, Delay apart.
	Slow
	// Stall does nothing for Delay after At bytes of the body; Delay 0 waits
	// until the client goes away or the store is closed.
	Stall
	// Forge answers as if the object were stored. It is not.
	Forge
	// Ignore does not look at If-None-Match.
	Ignore
	// Falsify names the checksum of other bytes in the answer.
	Falsify
	// Skew moves the store's clock by Delay.
	Skew
	// Redirect answers with Status (default 301) and Location.
	Redirect
	// Flood answers with Status (default 500) and At bytes of XML.
	Flood
	// Echo refuses with Status and Code (default 403 SignatureDoesNotMatch)
	// and repeats everything secret of the request in the answer.
	Echo
	none
)

// Fault makes the store misbehave for requests that fit.
type Fault struct {
	Effect Effect

	Method string // empty: all
	Key    string // beginning of the object's key, empty: all requests
	Header string // only requests that carry this header
	Query  string // only requests whose query holds this, such as partNumber=2
	Skip   int    // lets so many fitting requests pass first
	Times  int    // turns; 0 means once, negative for ever

	Status     int           // of the answer; default 500
	Code       string        // S3 error code; default by status
	Body       string        // instead of the XML, such as a proxy's HTML
	RetryAfter time.Duration // whole seconds
	Location   string
	At         int64
	Delay      time.Duration
}

// Script adds faults behind those that are still there.
func (s *Server) Script(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range faults {
		if f.Times == 0 {
			f.Times = 1
		}
		s.faults = append(s.faults, f)
	}
}

// Heal removes all faults.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// take returns the fault for a request, and uses up one of its turns. The
// caller holds mu.
func (s *Server) take(q *Request) Fault {
	for i := range s.faults {
		f := &s.faults[i]
		if f.Times == 0 || !f.fits(q) {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		if f.Times > 0 {
			f.Times--
		}
		return *f
	}
	return Fault{Effect: none}
}

func (f *Fault) fits(q *Request) bool {
	return (f.Method == "" || f.Method == q.Method) &&
		strings.Contains(q.Query, f.Query) &&
		(f.Key == "" || strings.HasPrefix(q.Key, f.Key)) &&
		(f.Header == "" || q.Header.Get(f.Header) != "")
}

// faulty wraps the body as the fault wants it.
func (x *exchange) faulty(body io.Reader) io.Reader {
	switch x.fault.Effect {
	case Cut:
		return io.MultiReader(io.LimitReader(body, x.fault.At), doing(abort))
	case Stall:
		wait := doing(func() {
			x.pause(x.r.Context(), x.fault.Delay)
			select {
			case <-x.done:
				abort()
			default:
			}
		})
		return io.MultiReader(io.LimitReader(body, x.fault.At), wait, body)
	case Slow:
		return readerFunc(func(p []byte) (int, error) {
			x.pause(x.r.Context(), x.fault.Delay)
			return body.Read(p[:min(int64(len(p)), max(x.fault.At, 1))])
		})
	}
	return body
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// doing is an empty reader that does something when it is read.
func doing(what func()) io.Reader {
	return readerFunc(func([]byte) (int, error) {
		what()
		return 0, io.EOF
	})
}

func abort() { panic(http.ErrAbortHandler) }

// misbehave performs the effects that replace an answer; it tells whether
// one did.
func (x *exchange) misbehave() bool {
	f := x.fault
	switch f.Effect {
	case Early:
		x.w.Header().Set("Connection", "close")
		x.scripted(http.StatusInternalServerError)
	case Answer:
		io.Copy(io.Discard, x.raw)
		x.scripted(http.StatusInternalServerError)
	case Redirect:
		x.w.Header().Set("Location", f.Location)
		x.scripted(http.StatusMovedPermanently)
	case Flood:
		io.Copy(io.Discard, x.raw)
		x.flood()
	case Echo:
		io.Copy(io.Discard, x.raw)
		x.echo()
	default:
		return false
	}
	return true
}
