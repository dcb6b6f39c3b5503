package socketcan

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"canseal/can"
)

// news brings the next look forward.
func (c *Capture) news() {
	if soon := c.looked.Add(lookSoonest); soon.Before(c.due) {
		c.due = soon
	}
}

// look asks about every interface, opens what has come, closes what has gone,
// and notes changes and losses. It is called after a drain.
func (c *Capture) look() {
	c.looked = time.Now()
	c.due = c.looked.Add(lookEvery)
	if c.links == nil {
		links, err := openNetlink()
		if err != nil {
			for _, ch := range c.channels {
				c.absent(ch, err)
			}
			return
		}
		c.links = links
	}
	for _, ch := range c.channels {
		c.examine(ch)
	}
	c.publish()
}

func (c *Capture) examine(ch *channel) {
	c.configured(ch)
	l, err := c.links.link(ch.Name)
	gone := errors.Is(err, unix.ENODEV)
	if err != nil && !gone && ch.fd >= 0 && !ch.dead {
		c.log.Warn("interface not asked", "interface", ch.Name, "bus", ch.Bus, "error", err)
		return // the socket may be as well as before
	}
	if ch.fd >= 0 && (ch.dead || gone || l.index != ch.seen.index) {
		c.part(ch)
	}
	if err == nil && ch.fd < 0 {
		err = ch.open(l, c.now())
	}
	if err != nil {
		c.absent(ch, err)
		return
	}
	c.present(ch, l)
}

// part closes a socket that has lost its interface, with a last reading of
// its drop counter.
func (c *Capture) part(ch *channel) {
	var e can.Event
	if counter, err := dropped(ch.fd); err == nil && ch.dropped(counter, c.now(), &e) {
		c.notes = append(c.notes, e)
	}
	ch.close()
	ch.forget()
	c.linkIs(ch, can.LinkUnplugged)
}

// forget drops what was known of a link that has gone: the next one by its
// name may be on another bus.
func (ch *channel) forget() {
	ch.heard, ch.garbled, ch.checked, ch.status.Differs = false, false, 0, nil
	ch.setup.applied, ch.setup.due, ch.setup.problem = false, time.Time{}, ""
	ch.own.silent.Store(true) // until the first look at it
}

// absent notes that a channel has no socket, and why.
func (c *Capture) absent(ch *channel, err error) {
	problem := err.Error()
	if errors.Is(err, unix.ENODEV) {
		problem = c.whereabouts(ch)
	}
	if errors.Is(err, unix.EAFNOSUPPORT) {
		problem = "this kernel has no SocketCAN"
	}
	if problem != ch.status.Problem {
		c.log.Warn("interface not open", "interface", ch.Name, "bus", ch.Bus, "problem", problem)
	}
	ch.status.Problem = problem
	if ch.opened {
		c.linkIs(ch, can.LinkUnplugged)
	} else {
		c.linkIs(ch, can.LinkMissing)
	}
}

// whereabouts tells what is known of an interface whose name there is not.
func (c *Capture) whereabouts(ch *channel) string {
	if ch.opened {
		if l, err := c.links.at(ch.seen.index); err == nil && l.can {
			return "renamed to " + l.name
		}
	}
	return "no such interface"
}

// present notes the state of an open channel.
func (c *Capture) present(ch *channel, l link) {
	s := &ch.status
	s.BitRate, s.DataBitRate = l.bitRate, l.dataRate
	s.FD, s.ListenOnly = l.fd(), l.listenOnly()
	s.TxErrors, s.RxErrors = l.txErrors, l.rxErrors
	flapped := ch.fell && l.up
	if flapped {
		c.linkIs(ch, can.LinkDown) // and up again since
	}
	ch.fell = false
	if l.up {
		c.linkIs(ch, can.LinkUp)
	} else {
		c.linkIs(ch, can.LinkDown)
	}
	c.notes = ch.compare(c.notes, l, c.now())
	c.push(ch)
	ch.countFiltered(&l)
	if ch.setup.running {
		c.configure(ch, &l)
		return
	}
	if !l.up || flapped && !ch.Configure { // else it was us
		ch.heard, ch.garbled = false, false
	}
	c.verify(ch, &l)
	s.Problem = ""
	if ch.Configure {
		c.configure(ch, &l)
	}
}

// linkIs notes a change of the link.
func (c *Capture) linkIs(ch *channel, s can.State) {
	if ch.status.Link == s {
		return
	}
	ch.status.Link = s
	c.notes = append(c.notes, can.Event{Time: c.now(), Bus: ch.Bus, Kind: can.KindState, State: s})
	c.log.Info("link", "interface", ch.Name, "bus", ch.Bus, "state", s.String())
}
