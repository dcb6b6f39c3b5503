package socketcan

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"canseal/can"
)

// Words of InterfaceStatus.Differs that stand for no setting.
const (
	wrongBitRate = "errors and no valid frame: wrong bit rate?"
	listening    = "listens until a valid frame comes"
)

// settled is what of a link can be set.
type settled struct {
	bitRate, dataRate, modes, restart uint32
}

func (l *link) settled() settled { return settled{l.bitRate, l.dataRate, l.modes, l.restart} }

func (l *link) listenOnly() bool { return l.modes&unix.CAN_CTRLMODE_LISTENONLY != 0 }

// fd tells whether the link carries FD frames.
func (l *link) fd() bool { return l.mtu >= fdSize }

// differs tells in words what of a link is not as wanted, by the names of the
// configuration.
func (l *link) differs(want Settings) (list []string) {
	add := func(name string, same bool, is, wanted string) {
		if !same {
			list = append(list, fmt.Sprintf("%s %s, configured %s", name, is, wanted))
		}
	}
	if want.BitRate != 0 {
		add("bitrate", near(l.bitRate, want.BitRate), rate(l.bitRate), rate(want.BitRate))
	}
	if want.DataBitRate != 0 {
		add("data_bitrate", near(l.dataRate, want.DataBitRate), rate(l.dataRate), rate(want.DataBitRate))
	}
	if want.FD != nil {
		add("fd", l.fd() == *want.FD, strconv.FormatBool(l.fd()), strconv.FormatBool(*want.FD))
	}
	if want.Restart != nil {
		is := time.Duration(l.restart) * time.Millisecond
		add("restart", is == *want.Restart, is.String(), want.Restart.String())
	}
	if want.ListenOnly != nil {
		add("listen_only", l.listenOnly() == *want.ListenOnly, strconv.FormatBool(l.listenOnly()), strconv.FormatBool(*want.ListenOnly))
	}
	return list
}

// near allows for what a controller's clock cannot divide: half a percent.
func near(is, want uint32) bool {
	return uint64(max(is, want)-min(is, want))*200 <= uint64(want)
}

func rate(bits uint32) string {
	if bits == 0 {
		return "unknown"
	}
	return strconv.FormatUint(uint64(bits), 10)
}

// doubtful reports that sending would disturb the bus: the bit rate of a
// controller is not what is wanted.
func (l *link) doubtful(want Settings) bool {
	return l.controller && (want.BitRate != 0 && !near(l.bitRate, want.BitRate) ||
		want.DataBitRate != 0 && !near(l.dataRate, want.DataBitRate))
}

// hear notes what a message tells about the bit rate: a frame of another node
// proves it, errors before the first one cast doubt on it. It reports whether
// that is news.
func (ch *channel) hear(e *can.Event) bool {
	switch {
	case ch.heard:
		return false
	case !e.Frame.Is(can.Error):
		ch.heard = e.Dir == can.Rx || !ch.seen.controller
		return ch.heard
	case ch.garbled || !garbled(&e.Frame):
		return false
	}
	ch.garbled = true
	return true
}

// waits tells whether the link listens until a frame comes.
func (ch *channel) waits(l *link) bool {
	return ch.Configure && l.up && l.listenOnly() && !ch.heard && ch.Want.ListenOnly != nil && !*ch.Want.ListenOnly
}

// check compares the link with what is wanted of it.
func (ch *channel) check(l *link) []string {
	differs := l.differs(ch.Want)
	if ch.waits(l) {
		differs = append(differs, listening)
	}
	if ch.garbled && !ch.heard {
		differs = append(differs, wrongBitRate)
	}
	return differs
}

// silent tells whether nothing may be sent.
func (ch *channel) silent(l *link) bool {
	checked := ch.Configure || ch.Want != Settings{}
	return l.listenOnly() || l.doubtful(ch.Want) || ch.garbled && !ch.heard || checked && !l.up
}

// verify says how the link stands to what is wanted of it, when that changes.
// A link of which nothing is wanted is spoken of only when it is in doubt.
func (c *Capture) verify(ch *channel, l *link) {
	differs, state := ch.check(l), can.LinkAsConfigured
	if len(differs) > 0 {
		state = can.LinkDiffers
	}
	ch.own.silent.Store(ch.silent(l))
	unasked := ch.checked == 0 && state == can.LinkAsConfigured && ch.Want == Settings{}
	if unasked || ch.checked == state && slices.Equal(differs, ch.status.Differs) {
		return
	}
	ch.checked, ch.status.Differs = state, differs
	c.notes = append(c.notes, can.Event{Time: c.now(), Bus: ch.Bus, Kind: can.KindState, State: state})
	c.log.Info("link settings", "interface", ch.Name, "bus", ch.Bus, "state", state.String(), "differs", differs)
}
