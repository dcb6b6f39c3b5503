package probe

import (
	"net"
	"slices"
	"sync"
	"time"

	"github.com/pion/dtls/v3"
)

// association is one handshake and what follows from it.
type association struct {
	*lane
	conn   *dtls.Conn
	from   string // address of the peer at its begin
	random [randomSize]byte
	born   time.Time
	ids    [][idSize]byte
	name   string // of the peer, once it is verified
	live   bool   // the handshake is done
}

// router sorts the datagrams of a transport by association. An established one
// sees no record that could end it unauthenticated; a hello with a new random
// begins a second one beside it.
type router struct {
	transport
	begin func(*association) // of a hello; nil at the side that says hello

	lock    sync.Mutex
	byID    map[[idSize]byte]*association
	byAddr  map[string][]*association // oldest first
	pending []*association            // oldest first
}

const (
	mostPending   = 32
	helloPatience = 2 * time.Second // before another hello of an address replaces one that goes on
)

func newRouter(t transport, begin func(*association)) *router {
	return &router{transport: t, begin: begin, byID: map[[idSize]byte]*association{}, byAddr: map[string][]*association{}}
}

// run routes until the transport ends.
func (r *router) run() error {
	b := make([]byte, mostFrame)
	for {
		n, from, err := r.ReadFrom(b)
		if err != nil {
			return err
		}
		r.route(b[:n], from)
	}
}

func (r *router) route(b []byte, from net.Addr) {
	first, _, ok := nextRecord(b)
	if !ok {
		return
	}
	r.lock.Lock()
	defer r.lock.Unlock()
	if first.id != nil {
		if a := r.byID[[idSize]byte(first.id)]; a != nil && (!a.live || harmless(b)) {
			a.put(b, from)
		}
		return
	}
	if random, is := first.hello(); is && r.begin != nil {
		r.hello(random, b, from)
		return
	}
	all := r.byAddr[from.String()]
	for i, a := range all {
		beside := first.epoch == 0 && a.live && i < len(all)-1 // the handshake is that of the younger one
		if !beside && (!a.live || harmless(b)) {
			a.put(b, from)
		}
	}
}

// hello takes a ClientHello; r.lock is held.
func (r *router) hello(random [randomSize]byte, b []byte, from net.Addr) {
	all := r.byAddr[from.String()]
	for _, a := range all {
		switch {
		case a.random == random && !a.live:
			a.put(b, from)
			return
		case a.random == random: // an old hello again
			return
		case !a.live && time.Since(a.born) < helloPatience:
			return
		case !a.live:
			a.Close() // its handshake fails
		}
	}
	if len(r.pending) == mostPending { // hellos cost nothing: the oldest goes, so that none keeps others out for long
		r.pending[0].Close()
		r.pending = r.pending[1:]
	}
	a := &association{lane: newLane(r.PacketConn), from: from.String(), random: random, born: time.Now()}
	r.add(a)
	a.put(b, from)
	r.begin(a)
}

// add makes an association known; r.lock is held.
func (r *router) add(a *association) {
	r.byAddr[a.from] = append(r.byAddr[a.from], a)
	r.pending = append(r.pending, a)
}

// id makes a connection id for an association.
func (r *router) id(a *association) []byte {
	r.lock.Lock()
	defer r.lock.Unlock()
	id := newID()
	r.byID[[idSize]byte(id)] = a
	a.ids = append(a.ids, [idSize]byte(id))
	return id
}

// established ends the time in which an association may see everything.
func (r *router) established(a *association) {
	r.lock.Lock()
	defer r.lock.Unlock()
	a.live = true
	r.settled(a)
}

// settled takes an association out of those that are pending; r.lock is held.
func (r *router) settled(a *association) {
	r.pending = slices.DeleteFunc(r.pending, func(other *association) bool { return other == a })
}

// remove forgets an association.
func (r *router) remove(a *association) {
	r.lock.Lock()
	defer r.lock.Unlock()
	for _, id := range a.ids {
		delete(r.byID, id)
	}
	r.settled(a)
	r.byAddr[a.from] = slices.DeleteFunc(r.byAddr[a.from], func(other *association) bool { return other == a })
	if len(r.byAddr[a.from]) == 0 {
		delete(r.byAddr, a.from)
	}
}
