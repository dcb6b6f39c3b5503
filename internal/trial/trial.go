package trial

import "time"

// State of a trial.
type State string

const (
	Settled  State = "settled"  // nothing is on trial
	Staged   State = "staged"   // judged good by itself, waits for its trial
	Trying   State = "trying"   // on trial
	Settling State = "settling" // proved, on its way to be current
	Refused  State = "refused"  // Reason tells why; nothing is on trial
)

// Object is one file of a candidate.
type Object struct {
	Name string `json:"name"`
	Old  string `json:"old,omitempty"` // SHA-256 of what is current, hex; empty: nothing
	New  string `json:"new"`           // of the candidate
}

// Record is what has to survive. All objects of a record settle or none does.
type Record struct {
	State   State    `json:"state"`
	Objects []Object `json:"objects,omitempty"` // empty when settled; of the last candidate when refused
	Source  string   `json:"source,omitempty"`  // who gave the candidate
	Force   bool     `json:"force,omitempty"`   // a trial of it means that it is in force
	Reason  string   `json:"reason,omitempty"`

	Left     time.Duration `json:"left_ns,omitempty"` // of running time, until it is refused
	Boots    int           `json:"boots_left,omitempty"`
	Failures int           `json:"failures,omitempty"`
	First    time.Duration `json:"first_ns,omitempty"` // Left at the first failure
}

// On tells whether something is staged or on trial.
func (r Record) On() bool { return r.State == Staged || r.State == Trying || r.State == Settling }

// InForce tells whether the candidate is what works now.
func (r Record) InForce() bool { return r.Force && (r.State == Trying || r.State == Settling) }

// Action is what the caller has to do.
type Action uint8

const (
	Hold    Action = iota // write Object's candidate file
	Save                  // save Record
	Apply                 // bring into force what the record saved last says; it may fail, see Break
	Keep                  // make what is current the previous one, unless current is the new one already
	Install               // make the candidate current, unless it is
	Sweep                 // remove each candidate file that the record saved last does not have on trial
)

// Effect is one thing to do.
type Effect struct {
	Do     Action
	Object Object // of Hold, Keep, Install
	Record Record // of Save
}

// Kind of an event.
type Kind uint8

const (
	Boot     Kind = iota // the program has started
	Resume               // an effect had failed: do what is not done
	Stage                // Event.Candidate was judged good by itself
	Begin                // a round trip with what is current has just succeeded
	Missed               // an attempt came to its end without proof: no answer, or one that proves nothing
	Failed               // it was refused, directly between two successes of what is current
	Proved               // it has done its work
	Break                // the device itself fails under the candidate
	Withdraw             // something stronger came: the card, an operator, a newer object
)

// Event is what happened.
type Event struct {
	Kind      Kind
	Candidate Record // of Stage: Objects, Source and Force
	Reason    string // of Failed, Break and Withdraw
}

// Limits of a trial.
type Limits struct {
	Deadline time.Duration // of running time
	Boots    int
	Failures int           // judged ones that refuse it
	Span     time.Duration // from the first of them to the last, at least
}

// Usual are the limits of the appliance.
var Usual = Limits{Deadline: 7 * 24 * time.Hour, Boots: 3, Failures: 3, Span: time.Hour}

// Reasons of the machine itself.
const (
	NoAnswer = "no answer within the time of a trial"
	NoBoots  = "the program was started too often without an attempt that came to its end"
)

// Step tells what an event means for a record, when the program ran for ran
// since that record was saved. An event that means nothing in this state has no
// effects.
func (l Limits) Step(r Record, ran time.Duration, e Event) []Effect {
	if r.State == Trying {
		r.Left -= max(ran, 0)
	}
	switch e.Kind {
	case Boot:
		return l.boot(r)
	case Resume:
		return resume(r)
	case Stage:
		return stage(r, e.Candidate)
	case Begin:
		return l.begin(r)
	case Withdraw:
		return withdraw(r, e.Reason)
	}
	if r.State != Trying {
		return nil
	}
	return l.attempted(r, e)
}

// attempted is what an attempt has come to.
func (l Limits) attempted(r Record, e Event) []Effect {
	switch {
	case e.Kind == Proved:
		return settle(r)
	case e.Kind == Break:
		return refuse(r, e.Reason)
	case e.Kind == Failed:
		if r.Failures == 0 {
			r.First = r.Left
		}
		r.Failures++
		r.Reason = e.Reason
		if r.Failures >= l.Failures && r.First-r.Left >= l.Span {
			return refuse(r, e.Reason)
		}
	}
	if r.Left <= 0 {
		return refuse(r, NoAnswer)
	}
	if !r.Force {
		r.Boots = l.Boots
	}
	return []Effect{{Do: Save, Record: r}}
}

func (l Limits) boot(r Record) []Effect {
	if r.State != Trying {
		return resume(r)
	}
	if r.Boots--; r.Boots <= 0 {
		return refuse(r, NoBoots)
	}
	return append([]Effect{{Do: Save, Record: r}}, resume(r)...)
}

func resume(r Record) []Effect {
	if r.State == Settling {
		return install(r)
	}
	return []Effect{{Do: Apply}, {Do: Sweep}}
}

// stage puts a candidate in the place of one that is not settling already.
func stage(r, candidate Record) []Effect {
	if r.State == Settling || len(candidate.Objects) == 0 {
		return nil
	}
	effects := withdraw(r, "another one has come")
	for _, o := range candidate.Objects {
		effects = append(effects, Effect{Do: Hold, Object: o})
	}
	next := Record{State: Staged, Objects: candidate.Objects, Source: candidate.Source, Force: candidate.Force}
	return append(effects, Effect{Do: Save, Record: next})
}

func (l Limits) begin(r Record) []Effect {
	if r.State != Staged {
		return nil
	}
	r.State, r.Left, r.Boots = Trying, l.Deadline, l.Boots
	return []Effect{{Do: Save, Record: r}, {Do: Apply}}
}

func settle(r Record) []Effect {
	r.State, r.Reason = Settling, ""
	return append([]Effect{{Do: Save, Record: r}}, install(r)...)
}

// install may be done again from its beginning.
func install(r Record) (effects []Effect) {
	for _, o := range r.Objects {
		effects = append(effects, Effect{Do: Keep, Object: o})
	}
	for _, o := range r.Objects {
		effects = append(effects, Effect{Do: Install, Object: o})
	}
	return append(effects, closing(Record{State: Settled})...)
}

func refuse(r Record, reason string) []Effect {
	return closing(Record{State: Refused, Objects: r.Objects, Source: r.Source, Reason: reason})
}

func withdraw(r Record, reason string) []Effect {
	if r.State != Staged && r.State != Trying {
		return nil
	}
	return closing(Record{State: Settled, Reason: reason})
}

// closing ends a trial: what is saved is in force before the candidates go.
func closing(r Record) []Effect {
	return []Effect{{Do: Save, Record: r}, {Do: Apply}, {Do: Sweep}}
}
