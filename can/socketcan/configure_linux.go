package socketcan

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"canseal/can"
)

// Pauses after a link that could not be set.
const (
	setupFirstPause = time.Second
	setupLastPause  = time.Minute
)

// setup sets one link, in a goroutine of its own: a driver may take its time,
// and the capture thread has none. Only that thread touches it.
type setup struct {
	running bool
	done    chan outcome // holds one

	applied bool    // the link was set
	left    settled // to this
	due     time.Time
	pause   time.Duration
	problem string // empty when all went well
}

// outcome is what has become of a link. Times are ns since 1970 UTC.
type outcome struct {
	from, to int64
	alive    bool // the bus carried frames before
	up       bool
	left     settled
	err      error
}

func newSetup() setup { return setup{done: make(chan outcome, 1)} }

// plan returns what to set a link to now, if anything. A controller comes up
// in listen-only mode, so that a wrong bit rate disturbs nobody, and leaves it
// only when that is wanted in words and a valid frame has come. Where the
// driver took less than was wanted, once is enough.
func (s *setup) plan(l *link, want Settings, heard bool) (Settings, bool) {
	yes := true
	silent := want
	silent.ListenOnly = &yes
	ours := s.applied && l.settled() == s.left
	switch {
	case s.running || l.up && (!l.controller || len(l.differs(want)) == 0):
		return Settings{}, false
	case l.up && l.listenOnly() && (ours || len(l.differs(silent)) == 0):
		return want, heard && want.ListenOnly != nil && !*want.ListenOnly
	case l.up && ours:
		return Settings{}, false
	}
	return silent, true
}

// start sets the link with an index, which had frames or not.
func (s *setup) start(l link, want Settings, alive bool) {
	s.running = true
	go func() {
		o := outcome{from: wall(), alive: alive}
		o.left, o.up, o.err = apply(l, want)
		o.to = wall()
		s.done <- o
	}()
}

// finish notes what has come of it.
func (s *setup) finish(o outcome, now time.Time) {
	s.running, s.applied, s.left, s.problem = false, o.up, o.left, ""
	if o.err != nil {
		s.problem = o.err.Error()
	}
	s.pause = min(max(2*s.pause, setupFirstPause), setupLastPause)
	if o.up {
		s.pause = 0
	}
	s.due = now.Add(s.pause)
}

// apply sets a link, which must be down for it, and up. A link without a
// controller has nothing to be set. A driver that knows no automatic restart
// is used without.
func apply(l link, want Settings) (left settled, up bool, err error) {
	n, err := openQuery()
	if err != nil {
		return settled{}, false, err
	}
	defer n.close()
	var refused error
	if l.controller {
		if refused, err = n.control(l.index, want); err != nil {
			return settled{}, false, err
		}
	}
	if _, err = n.ask(newRequest(unix.RTM_NEWLINK, unix.IFF_UP, unix.IFF_UP).of(l.index)); err != nil {
		return settled{}, false, fmt.Errorf("set link up: %w", err)
	}
	after, err := n.at(l.index)
	return after.settled(), after.up, errors.Join(refused, err)
}

// control takes a controller down and sets it. refused is what went wrong
// without hindering its use.
func (n *netlink) control(index int, want Settings) (refused, err error) {
	if _, err := n.ask(newRequest(unix.RTM_NEWLINK, 0, unix.IFF_UP).of(index)); err != nil {
		return nil, fmt.Errorf("set link down: %w", err)
	}
	if _, err := n.ask(controllerRequest(timing(want)).of(index)); err != nil {
		return nil, fmt.Errorf("set bit rate and mode: %w", err)
	}
	if want.Restart == nil {
		return nil, nil
	}
	restart := appendNumbers(nil, unix.IFLA_CAN_RESTART_MS, uint32(want.Restart.Milliseconds()))
	_, err = n.ask(controllerRequest(restart).of(index))
	if err != nil {
		refused = fmt.Errorf("set restart: %w", err)
	}
	return refused, nil
}

// timing is the data of a controller's bit rates and modes: FD wants its bit
// rate in the same request. The kernel finds the other values of struct
// can_bittiming.
func timing(want Settings) (data []byte) {
	if want.BitRate != 0 {
		data = appendNumbers(data, unix.IFLA_CAN_BITTIMING, want.BitRate, 0, 0, 0, 0, 0, 0, 0)
	}
	if want.DataBitRate != 0 {
		data = appendNumbers(data, unix.IFLA_CAN_DATA_BITTIMING, want.DataBitRate, 0, 0, 0, 0, 0, 0, 0)
	}
	mask, flags := modes(want)
	return appendNumbers(data, unix.IFLA_CAN_CTRLMODE, mask, flags)
}

func modes(want Settings) (mask, flags uint32) {
	set := func(bit uint32, on bool) {
		mask |= bit
		if on {
			flags |= bit
		}
	}
	if want.ListenOnly != nil {
		set(unix.CAN_CTRLMODE_LISTENONLY, *want.ListenOnly)
	}
	if want.FD != nil || want.DataBitRate != 0 {
		set(unix.CAN_CTRLMODE_FD, want.FD == nil || *want.FD)
	}
	return mask, flags
}

// controllerRequest wraps a controller's data.
func controllerRequest(data []byte) request {
	info := appendAttribute(nil, unix.IFLA_INFO_KIND, append([]byte("can"), 0))
	info = appendAttribute(info, unix.IFLA_INFO_DATA, data)
	return appendAttribute(newRequest(unix.RTM_NEWLINK, 0, 0), unix.IFLA_LINKINFO, info)
}

// configured takes up what a setup has brought. Frames may have passed while
// it took the link down.
func (c *Capture) configured(ch *channel) {
	select {
	case o := <-ch.setup.done:
		ch.setup.finish(o, time.Now())
		if o.err != nil {
			c.log.Warn("link not set", "interface", ch.Name, "bus", ch.Bus, "error", o.err)
		}
		if o.alive {
			c.notes = append(c.notes, ch.loss(can.LostReconfigured, 0, o.from, o.to))
		}
	default:
	}
}

// configure sets the link if there is need.
func (c *Capture) configure(ch *channel, l *link) {
	if want, act := ch.setup.plan(l, ch.Want, ch.heard); act && !time.Now().Before(ch.setup.due) {
		ch.own.silent.Store(true)
		ch.setup.start(*l, want, ch.heard && l.up)
	}
	ch.status.Problem = ch.setup.problem
	if ch.setup.running {
		c.due = c.looked.Add(lookSoonest)
	}
}
