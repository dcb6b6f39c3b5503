package main

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// fdMTU gives a virtual link room for FD frames; it counts only at creation.
const fdMTU = 72

// vxcanPeer is VXCAN_INFO_PEER (linux/can/vxcan.h).
const vxcanPeer = 1

// message builds an rtnetlink request: struct ifinfomsg and attributes.
type message []byte

func newMessage(index int32, flags, change uint32) message {
	b := make(message, unix.SizeofIfInfomsg)
	binary.NativeEndian.PutUint32(b[4:], uint32(index))
	binary.NativeEndian.PutUint32(b[8:], flags)
	binary.NativeEndian.PutUint32(b[12:], change)
	return b
}

// add appends an attribute: u16 length, u16 kind, value padded to 4 bytes.
func (m message) add(kind uint16, value []byte) message {
	m = binary.NativeEndian.AppendUint16(m, uint16(unix.SizeofNlAttr+len(value)))
	m = binary.NativeEndian.AppendUint16(m, kind)
	m = append(m, value...)
	return append(m, make([]byte, -len(value)&3)...)
}

func (m message) addText(kind uint16, s string) message { return m.add(kind, append([]byte(s), 0)) }

func (m message) addNumbers(kind uint16, numbers ...uint32) message {
	var b []byte
	for _, n := range numbers {
		b = binary.NativeEndian.AppendUint32(b, n)
	}
	return m.add(kind, b)
}

// ask sends a request and returns the answer's body; nil after a plain
// acknowledgement.
func ask(kind, flags uint16, m message) ([]byte, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	b := binary.NativeEndian.AppendUint32(nil, uint32(unix.SizeofNlMsghdr+len(m)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = binary.NativeEndian.AppendUint16(b, unix.NLM_F_REQUEST|flags)
	b = append(b, make([]byte, 8)...) // sequence and port: one question a socket
	if err := unix.Sendto(fd, append(b, m...), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, err
	}
	answer := make([]byte, 16<<10)
	n, _, err := unix.Recvfrom(fd, answer, 0)
	if err != nil {
		return nil, err
	}
	return body(answer[:n])
}

func body(b []byte) ([]byte, error) {
	if len(b) < unix.SizeofNlMsghdr+4 {
		return nil, fmt.Errorf("rtnetlink answer of %d bytes", len(b))
	}
	b, kind := b[unix.SizeofNlMsghdr:], binary.NativeEndian.Uint16(b[4:])
	if kind != unix.NLMSG_ERROR {
		return b, nil
	}
	if number := int32(binary.NativeEndian.Uint32(b)); number != 0 {
		return nil, unix.Errno(-number)
	}
	return nil, nil
}

func change(flags uint16, m message) error {
	_, err := ask(unix.RTM_NEWLINK, unix.NLM_F_ACK|flags, m)
	return err
}

// addLink makes a vcan, or a pair of vxcan.
func addLink(name, kind string, peer []string) error {
	var data message
	if kind == "vxcan" && len(peer) == 1 {
		end := newMessage(0, 0, 0).addText(unix.IFLA_IFNAME, peer[0]).addNumbers(unix.IFLA_MTU, fdMTU)
		data = message{}.add(vxcanPeer, end)
	}
	info := message{}.addText(unix.IFLA_INFO_KIND, kind)
	if data != nil {
		info = info.add(unix.IFLA_INFO_DATA, data)
	}
	m := newMessage(0, 0, 0).addText(unix.IFLA_IFNAME, name).addNumbers(unix.IFLA_MTU, fdMTU).add(unix.IFLA_LINKINFO, info)
	if err := change(unix.NLM_F_CREATE|unix.NLM_F_EXCL, m); err != nil {
		return fmt.Errorf("add %s: %w", name, err)
	}
	return nil
}

func deleteLink(name string) error {
	if _, err := ask(unix.RTM_DELLINK, unix.NLM_F_ACK, newMessage(0, 0, 0).addText(unix.IFLA_IFNAME, name)); err != nil {
		return fmt.Errorf("delete %s: %w", name, err)
	}
	return nil
}

func rename(name, to string) error {
	b, err := ask(unix.RTM_GETLINK, 0, newMessage(0, 0, 0).addText(unix.IFLA_IFNAME, name))
	if err == nil {
		index := int32(binary.NativeEndian.Uint32(b[4:]))
		err = change(0, newMessage(index, 0, 0).addText(unix.IFLA_IFNAME, to))
	}
	if err != nil {
		return fmt.Errorf("rename %s: %w", name, err)
	}
	return nil
}

func setUp(name string, up bool) error {
	flags := uint32(0)
	if up {
		flags = unix.IFF_UP
	}
	if err := change(0, newMessage(0, flags, unix.IFF_UP).addText(unix.IFLA_IFNAME, name)); err != nil {
		return fmt.Errorf("set %s up or down: %w", name, err)
	}
	return nil
}

// configure sets a controller's parameters; the link must be down. All go in
// one request: FD wants its data bit rate beside it.
func configure(name string, settings []string) error {
	data := message{}
	for _, s := range settings {
		key, value, _ := strings.Cut(s, "=")
		var err error
		if data, err = data.setting(key, value); err != nil {
			return err
		}
	}
	info := message{}.addText(unix.IFLA_INFO_KIND, "can").add(unix.IFLA_INFO_DATA, data)
	if err := change(0, newMessage(0, 0, 0).addText(unix.IFLA_IFNAME, name).add(unix.IFLA_LINKINFO, info)); err != nil {
		return fmt.Errorf("configure %s: %w", name, err)
	}
	return nil
}

func (m message) setting(key, value string) (message, error) {
	if key == "mode" {
		return m.mode(value)
	}
	n, err := strconv.ParseUint(value, 10, 32)
	if err != nil {
		return nil, err
	}
	timing := []uint32{uint32(n), 0, 0, 0, 0, 0, 0, 0} // struct can_bittiming; the kernel finds the rest
	switch key {
	case "bitrate":
		return m.addNumbers(unix.IFLA_CAN_BITTIMING, timing...), nil
	case "data_bitrate":
		return m.addNumbers(unix.IFLA_CAN_DATA_BITTIMING, timing...), nil
	case "restart_ms":
		return m.addNumbers(unix.IFLA_CAN_RESTART_MS, uint32(n)), nil
	}
	return nil, fmt.Errorf("unknown setting %q", key)
}

func (m message) mode(value string) (message, error) {
	bits := uint32(0)
	for name := range strings.SplitSeq(value, "+") {
		bit, ok := map[string]uint32{
			"listen-only": unix.CAN_CTRLMODE_LISTENONLY, "fd": unix.CAN_CTRLMODE_FD, "loopback": unix.CAN_CTRLMODE_LOOPBACK,
			"berr": unix.CAN_CTRLMODE_BERR_REPORTING, "one-shot": unix.CAN_CTRLMODE_ONE_SHOT,
		}[name]
		if !ok {
			return nil, fmt.Errorf("unknown mode %q", name)
		}
		bits |= bit
	}
	return m.addNumbers(unix.IFLA_CAN_CTRLMODE, bits, bits), nil
}

// show prints what a test may want to know of a link, one line.
func show(name string) error {
	b, err := ask(unix.RTM_GETLINK, 0, newMessage(0, 0, 0).addText(unix.IFLA_IFNAME, name))
	if err != nil {
		return fmt.Errorf("show %s: %w", name, err)
	}
	e := binary.NativeEndian
	fmt.Printf("%s index=%d up=%t", name, e.Uint32(b[4:]), e.Uint32(b[8:])&unix.IFF_UP != 0)
	find(b[unix.SizeofIfInfomsg:], unix.IFLA_MTU, func(v []byte) { fmt.Printf(" mtu=%d", e.Uint32(v)) })
	find(b[unix.SizeofIfInfomsg:], unix.IFLA_LINKINFO, func(v []byte) {
		find(v, unix.IFLA_INFO_KIND, func(v []byte) { fmt.Printf(" kind=%s", unix.ByteSliceToString(v)) })
		find(v, unix.IFLA_INFO_DATA, func(v []byte) {
			find(v, unix.IFLA_CAN_STATE, func(v []byte) { fmt.Printf(" state=%d", e.Uint32(v)) })
			find(v, unix.IFLA_CAN_BERR_COUNTER, func(v []byte) { fmt.Printf(" txerr=%d rxerr=%d", e.Uint16(v), e.Uint16(v[2:])) })
			find(v, unix.IFLA_CAN_BITTIMING, func(v []byte) { fmt.Printf(" bitrate=%d", e.Uint32(v)) })
		})
	})
	fmt.Println()
	return nil
}

// find calls do with the value of the first attribute of a kind that has 4
// bytes or more.
func find(b []byte, kind uint16, do func([]byte)) {
	for len(b) >= unix.SizeofNlAttr {
		length := int(binary.NativeEndian.Uint16(b))
		if length < unix.SizeofNlAttr || length > len(b) {
			return
		}
		if binary.NativeEndian.Uint16(b[2:])&^unix.NLA_F_NESTED == kind && length >= unix.SizeofNlAttr+4 {
			do(b[unix.SizeofNlAttr:length])
			return
		}
		b = b[min(len(b), (length+3)&^3):]
	}
}
