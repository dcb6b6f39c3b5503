package socketcan

import (
	"encoding/binary"
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"canseal/can"
)

// attribute builds a netlink attribute.
func attribute(kind uint16, value ...byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(unix.SizeofNlAttr+len(value)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, value...)
	return append(b, make([]byte, -len(value)&3)...)
}

func number(n ...uint32) (b []byte) {
	for _, n := range n {
		b = binary.NativeEndian.AppendUint32(b, n)
	}
	return b
}

func join(parts ...[]byte) (b []byte) {
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

// answer wraps a body into a netlink message.
func answer(kind uint16, body ...[]byte) []byte {
	all := join(body...)
	b := number(uint32(unix.SizeofNlMsghdr + len(all)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	return join(b, make([]byte, 10), all)
}

// info is struct ifinfomsg.
func info(kind uint16, index, flags uint32) []byte {
	b := binary.NativeEndian.AppendUint16(make([]byte, 2), kind)
	return join(b, number(index, flags, 0))
}

func controllerLink() []byte {
	stats := make([]byte, 24*8)
	binary.NativeEndian.PutUint64(stats, 4)
	binary.NativeEndian.PutUint64(stats[6*8:], 5)
	binary.NativeEndian.PutUint64(stats[11*8:], 6)
	data := join(
		attribute(unix.IFLA_CAN_BITTIMING, number(500_000, 0, 0, 0, 0, 0, 0, 0)...),
		attribute(unix.IFLA_CAN_DATA_BITTIMING, number(2_000_000, 0, 0, 0, 0, 0, 0, 0)...),
		attribute(unix.IFLA_CAN_CTRLMODE, number(0xFFFF, unix.CAN_CTRLMODE_LISTENONLY|unix.CAN_CTRLMODE_FD)...),
		attribute(unix.IFLA_CAN_RESTART_MS, number(100)...),
		attribute(unix.IFLA_CAN_STATE, number(unix.CAN_STATE_ERROR_PASSIVE)...),
		attribute(unix.IFLA_CAN_BERR_COUNTER, join(binary.NativeEndian.AppendUint16(nil, 300), binary.NativeEndian.AppendUint16(nil, 12))...),
	)
	return answer(unix.RTM_NEWLINK, info(unix.ARPHRD_CAN, 7, unix.IFF_UP|unix.IFF_RUNNING),
		attribute(unix.IFLA_IFNAME, 'c', 'a', 'n', '0', 0),
		attribute(unix.IFLA_MTU, number(72)...),
		attribute(unix.IFLA_STATS64, stats...),
		attribute(unix.IFLA_LINKINFO|unix.NLA_F_NESTED, join(
			attribute(unix.IFLA_INFO_KIND, 'c', 'a', 'n', 0),
			attribute(unix.IFLA_INFO_DATA, data...))...))
}

func TestParseAnswer(t *testing.T) {
	got, err := parseAnswer(controllerLink())
	want := link{
		index: 7, name: "can0", can: true, up: true, mtu: 72, dropped: 5, overflows: 6, counted: true, received: 4,
		controller: true, restart: 100, state: can.ErrorPassive, bitRate: 500_000, dataRate: 2_000_000,
		modes: unix.CAN_CTRLMODE_LISTENONLY | unix.CAN_CTRLMODE_FD, txErrors: 255, rxErrors: 12,
	}
	if err != nil || got != want {
		t.Fatalf("got %+v, %v, want %+v", got, err, want)
	}
}

// What is set is what a look would show: the two sides read the same table.
func TestRequestsSayWhatIsWanted(t *testing.T) {
	for name, c := range map[string]struct {
		want Settings
		link link
		mask uint32
	}{
		"bit rate":     {Settings{BitRate: 500_000}, link{bitRate: 500_000}, 0},
		"listen-only":  {Settings{ListenOnly: so(true)}, link{modes: listenOnly}, listenOnly},
		"normal":       {Settings{ListenOnly: so(false)}, link{}, listenOnly},
		"FD":           {Settings{BitRate: 500_000, DataBitRate: 2_000_000, FD: so(true)}, link{bitRate: 500_000, dataRate: 2_000_000, modes: unix.CAN_CTRLMODE_FD}, unix.CAN_CTRLMODE_FD},
		"FD by a rate": {Settings{DataBitRate: 2_000_000}, link{dataRate: 2_000_000, modes: unix.CAN_CTRLMODE_FD}, unix.CAN_CTRLMODE_FD},
		"no FD":        {Settings{FD: so(false), ListenOnly: so(true)}, link{modes: listenOnly}, unix.CAN_CTRLMODE_FD | listenOnly},
	} {
		m := controllerRequest(timing(c.want)).of(7).message(3)
		got := parseLink(m[unix.SizeofNlMsghdr:])
		c.link.index, c.link.controller = 7, true
		if mask, _ := modes(c.want); got != c.link || mask != c.mask {
			t.Errorf("%s: %+v, mask %X, want %+v, %X", name, got, mask, c.link, c.mask)
		}
	}
	m := newRequest(unix.RTM_GETLINK, 0, 0).text(unix.IFLA_IFNAME, "can0").message(9)
	if l := parseLink(m[unix.SizeofNlMsghdr:]); l.name != "can0" || int(binary.NativeEndian.Uint32(m)) != len(m) || len(m)%4 != 0 {
		t.Errorf("a question: % X", m)
	}
}

func TestParseAnswerOfOthers(t *testing.T) {
	ethernet := answer(unix.RTM_NEWLINK, info(unix.ARPHRD_ETHER, 2, 0))
	if got, err := parseAnswer(ethernet); err != nil || got != (link{index: 2}) {
		t.Errorf("ethernet: %+v, %v", got, err)
	}
	// A vlan's data are not a controller's.
	other := answer(unix.RTM_NEWLINK, info(unix.ARPHRD_CAN, 2, 0), attribute(unix.IFLA_LINKINFO, join(
		attribute(unix.IFLA_INFO_KIND, 'v', 'c', 'a', 'n', 0),
		attribute(unix.IFLA_INFO_DATA, attribute(unix.IFLA_CAN_BITTIMING, number(1)...)...))...))
	if got, err := parseAnswer(other); err != nil || got.bitRate != 0 {
		t.Errorf("vcan: %+v, %v", got, err)
	}
	missing := unix.ENODEV
	if _, err := parseAnswer(answer(unix.NLMSG_ERROR, number(uint32(-int32(missing))))); !errors.Is(err, unix.ENODEV) {
		t.Errorf("missing: %v", err)
	}
	for name, b := range map[string][]byte{
		"nothing": nil, "cut": controllerLink()[:20], "another kind": answer(unix.RTM_NEWADDR, info(0, 0, 0)),
	} {
		if _, err := parseAnswer(b); !errors.Is(err, errAnswer) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNetlinkOnThisMachine(t *testing.T) {
	n, err := openNetlink()
	if err != nil {
		t.Skipf("NOT RUN: %v", err)
	}
	defer n.close()
	if _, err := n.link("nocan9"); !errors.Is(err, unix.ENODEV) {
		t.Errorf("a missing interface: %v", err)
	}
	if l, err := n.link("lo"); err != nil || l.index == 0 || l.can {
		t.Errorf("lo: %+v, %v", l, err)
	}
}

func FuzzParseAnswer(f *testing.F) {
	f.Add(controllerLink())
	f.Add(answer(unix.NLMSG_ERROR, number(1)))
	f.Fuzz(func(t *testing.T, b []byte) {
		if l, err := parseAnswer(b); err != nil && l != (link{}) {
			t.Fatalf("%+v beside %v", l, err)
		}
	})
}
