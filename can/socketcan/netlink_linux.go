package socketcan

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"

	"golang.org/x/sys/unix"

	"canseal/can"
)

// link is what rtnetlink says about an interface.
type link struct {
	index     int
	name      string
	can       bool // ARPHRD_CAN
	up        bool // administratively; a bus-off controller is up
	mtu       uint32
	dropped   uint64 // rx_dropped: no memory, backlog full
	overflows uint64 // rx_over_errors: the controller's FIFO
	counted   bool   // the counters are there
	received  uint64 // rx_packets
	loops     bool   // vcan: what is sent on this machine counts as received

	// Of controllers; zero on vcan and vxcan.
	controller         bool
	state              can.State
	bitRate, dataRate  uint32 // bit/s; 0: not set
	modes              uint32 // CAN_CTRLMODE_
	restart            uint32 // ms from bus-off to the automatic restart; 0: none
	txErrors, rxErrors uint8
}

var errAnswer = errors.New("rtnetlink answer makes no sense")

// netlink asks rtnetlink about interfaces, and hears when one changes.
type netlink struct {
	query int // descriptors
	news  int // gets a message at every change of a link; -1: closed
	seq   uint32
	buf   [16 << 10]byte
}

func openNetlink() (*netlink, error) {
	n, err := openQuery()
	if err != nil {
		return nil, err
	}
	if n.news, err = netlinkSocket(unix.SOCK_NONBLOCK, unix.RTMGRP_LINK); err != nil {
		unix.Close(n.query)
		return nil, err
	}
	return n, nil
}

// openQuery returns one that hears nothing.
func openQuery() (*netlink, error) {
	query, err := netlinkSocket(0, 0)
	if err != nil {
		return nil, err
	}
	return &netlink{query: query, news: -1}, nil
}

func netlinkSocket(flags int, groups uint32) (int, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|flags, unix.NETLINK_ROUTE)
	if err != nil {
		return -1, fmt.Errorf("open rtnetlink: %w", err)
	}
	err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups})
	if err == nil { // the kernel answers at once or never
		err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 1})
	}
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("bind rtnetlink: %w", err)
	}
	return fd, nil
}

func (n *netlink) close() {
	unix.Close(n.query)
	unix.Close(n.news)
}

// heard empties the queue of changes. Their content does not matter: what
// there is now is asked for anyway.
func (n *netlink) heard() {
	for {
		if _, _, err := unix.Recvfrom(n.news, n.buf[:], unix.MSG_DONTWAIT); err == unix.EAGAIN || err == unix.EBADF {
			return
		}
	}
}

// link asks for one interface by name: ENODEV when there is none.
func (n *netlink) link(name string) (link, error) {
	l, err := n.ask(newRequest(unix.RTM_GETLINK, 0, 0).text(unix.IFLA_IFNAME, name))
	if err != nil {
		return link{}, fmt.Errorf("ask for interface %s: %w", name, err)
	}
	return l, nil
}

// at asks for the interface with an index.
func (n *netlink) at(index int) (link, error) {
	l, err := n.ask(newRequest(unix.RTM_GETLINK, 0, 0).of(index))
	if err != nil {
		return link{}, fmt.Errorf("ask for interface %d: %w", index, err)
	}
	return l, nil
}

// ask sends a request and reads its answer; an acknowledgement has no link.
func (n *netlink) ask(r request) (link, error) {
	n.seq++
	if err := unix.Sendto(n.query, r.message(n.seq), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return link{}, err
	}
	for {
		size, _, err := unix.Recvfrom(n.query, n.buf[:], 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return link{}, err
		}
		if size >= unix.SizeofNlMsghdr && binary.NativeEndian.Uint32(n.buf[8:]) != n.seq {
			continue // a late answer to a question given up
		}
		return parseAnswer(n.buf[:size])
	}
}

// parseAnswer reads the first message of a datagram: RTM_NEWLINK, or an error
// number, which is 0 in an acknowledgement.
func parseAnswer(b []byte) (link, error) {
	if len(b) < unix.SizeofNlMsghdr {
		return link{}, errAnswer
	}
	length := int(binary.NativeEndian.Uint32(b))
	if length < unix.SizeofNlMsghdr || length > len(b) {
		return link{}, errAnswer
	}
	kind, body := binary.NativeEndian.Uint16(b[4:]), b[unix.SizeofNlMsghdr:length]
	switch {
	case kind == unix.NLMSG_ERROR && len(body) >= 4:
		if number := int32(binary.NativeEndian.Uint32(body)); number != 0 {
			return link{}, unix.Errno(-number)
		}
		return link{}, nil
	case kind == unix.RTM_NEWLINK && len(body) >= unix.SizeofIfInfomsg:
		return parseLink(body), nil
	}
	return link{}, errAnswer
}

// parseLink reads struct ifinfomsg and the attributes behind it.
func parseLink(b []byte) link {
	e := binary.NativeEndian
	l := link{
		can:   e.Uint16(b[2:]) == unix.ARPHRD_CAN,
		index: int(int32(e.Uint32(b[4:]))),
		up:    e.Uint32(b[8:])&unix.IFF_UP != 0,
	}
	for kind, v := range attributes(b[unix.SizeofIfInfomsg:]) {
		switch {
		case kind == unix.IFLA_IFNAME:
			l.name = unix.ByteSliceToString(v)
		case kind == unix.IFLA_MTU && len(v) >= 4:
			l.mtu = e.Uint32(v)
		case kind == unix.IFLA_STATS64 && len(v) >= 12*8: // struct rtnl_link_stats64
			l.counted, l.received = true, e.Uint64(v)
			l.dropped, l.overflows = e.Uint64(v[6*8:]), e.Uint64(v[11*8:])
		case kind == unix.IFLA_LINKINFO:
			l.parseInfo(v)
		}
	}
	return l
}

// parseInfo reads IFLA_LINKINFO, of kind "can" only.
func (l *link) parseInfo(b []byte) {
	kind := ""
	for k, v := range attributes(b) {
		switch {
		case k == unix.IFLA_INFO_KIND:
			kind = unix.ByteSliceToString(v)
			l.loops = kind == "vcan"
		case k == unix.IFLA_INFO_DATA && kind == "can":
			l.controller = true
			for k, v := range attributes(v) {
				l.parseController(k, v)
			}
		}
	}
}

func (l *link) parseController(kind uint16, v []byte) {
	e := binary.NativeEndian
	switch {
	case kind == unix.IFLA_CAN_BITTIMING && len(v) >= 4:
		l.bitRate = e.Uint32(v)
	case kind == unix.IFLA_CAN_DATA_BITTIMING && len(v) >= 4:
		l.dataRate = e.Uint32(v)
	case kind == unix.IFLA_CAN_CTRLMODE && len(v) >= 8: // mask, flags
		l.modes = e.Uint32(v[4:])
	case kind == unix.IFLA_CAN_RESTART_MS && len(v) >= 4:
		l.restart = e.Uint32(v)
	case kind == unix.IFLA_CAN_STATE && len(v) >= 4:
		l.state = controllerState(e.Uint32(v))
	case kind == unix.IFLA_CAN_BERR_COUNTER && len(v) >= 4:
		l.txErrors, l.rxErrors = uint8(min(e.Uint16(v), 255)), uint8(min(e.Uint16(v[2:]), 255))
	}
}

// controllerState maps enum can_state (linux/can/netlink.h), in the order of
// ours.
func controllerState(s uint32) can.State {
	if s > unix.CAN_STATE_SLEEPING {
		return 0
	}
	return can.ErrorActive + can.State(s)
}

// attributes walks netlink attributes: u16 length with header, u16 kind, body,
// padded to 4 bytes. It stops at the first that does not fit.
func attributes(b []byte) iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= unix.SizeofNlAttr {
			length := int(binary.NativeEndian.Uint16(b))
			kind := binary.NativeEndian.Uint16(b[2:]) &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)
			if length < unix.SizeofNlAttr || length > len(b) || !yield(kind, b[unix.SizeofNlAttr:length]) {
				return
			}
			b = b[min(len(b), (length+3)&^3):]
		}
	}
}
