package socketcan

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	brutella "github.com/brutella/can"
	"golang.org/x/sys/unix"

	"canseal/can"
)

// Port sends frames on one interface. Its methods may be called by several
// goroutines.
type Port struct {
	line line
	bus  *brutella.Bus
	own  *own // nil: nobody is told
}

// OpenPort opens an interface for sending. Frames go out in the order of Send;
// the interface may be down, then Send fails.
func OpenPort(o PortOptions) (*Port, error) {
	fd, err := portSocket(o)
	if err != nil {
		return nil, fmt.Errorf("open port on %s: %w", o.Interface, err)
	}
	p := &Port{line: line{os.NewFile(uintptr(fd), o.Interface)}}
	p.bus = brutella.NewBus(brutella.NewReadWriteCloser(p.line))
	if o.Capture != nil {
		p.own = o.Capture.own(o.Bus)
	}
	return p, nil
}

func portSocket(o PortOptions) (int, error) {
	fd, err := rawSocket()
	if err != nil {
		return -1, err
	}
	i, err := unix.NewIfreq(o.Interface)
	if err == nil {
		err = unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, i)
	}
	if err == nil {
		err = unix.SetsockoptCanRawFilter(fd, unix.SOL_CAN_RAW, unix.CAN_RAW_FILTER, filters(o.Receive))
	}
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_CAN_RAW, unix.CAN_RAW_FD_FRAMES, 1)
	}
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrCAN{Ifindex: int(i.Uint32())})
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// filters admits data frames with the given identifiers; an empty list admits
// nothing.
func filters(ids []ID) []unix.CanFilter {
	list := make([]unix.CanFilter, 0, len(ids))
	for _, id := range ids {
		f := unix.CanFilter{Id: id.Number, Mask: unix.CAN_SFF_MASK | unix.CAN_EFF_FLAG | unix.CAN_RTR_FLAG}
		if id.Extended {
			f.Id |= unix.CAN_EFF_FLAG
			f.Mask |= unix.CAN_EFF_MASK
		}
		list = append(list, f)
	}
	return list
}

// Send hands a frame to the kernel. It does not wait: ENOBUFS says that the
// interface's queue is full, ENETDOWN that it is down, ENXIO or ENODEV that it
// has gone, ErrFrame that this is not a frame to be sent, ErrSilent that the
// Capture knows a reason to be silent on this bus.
func (p *Port) Send(f can.Frame) error { return p.send(f, true) }

// send hands a frame to the kernel, to come back in the log or not.
func (p *Port) send(f can.Frame, log bool) error {
	if p.own != nil && p.own.silent.Load() {
		return fmt.Errorf("send %X: %w", f.ID, ErrSilent)
	}
	var raw [fdSize]byte
	n := encode(&f, &raw)
	if n == 0 || f.Is(can.Error) {
		return fmt.Errorf("send %X: %w", f.ID, ErrFrame)
	}
	decode(raw[:n], &f) // as the kernel will hand it back
	if p.own != nil {
		p.own.add(ownFrame{frame: f, at: wall(), unlogged: !log})
	}
	err := p.write(&f, raw[:n])
	if err != nil && p.own != nil {
		p.own.forget(f)
	}
	if err != nil {
		return fmt.Errorf("send %X: %w", f.ID, err)
	}
	return nil
}

func (p *Port) write(f *can.Frame, raw []byte) error {
	if f.Is(can.FD) {
		return p.line.send(raw)
	}
	return p.bus.Publish(toBrutella(raw))
}

// Run hands received classic data frames with the identifiers of
// PortOptions.Receive to handle, one at a time, until Close; then it returns
// nil. It is called once.
func (p *Port) Run(handle func(can.Frame)) error {
	p.bus.SubscribeFunc(func(b brutella.Frame) {
		var f can.Frame
		if decode(fromBrutella(b), &f) {
			handle(f)
		}
	})
	if err := p.bus.ConnectAndPublish(); !errors.Is(err, fs.ErrClosed) {
		return fmt.Errorf("receive on %s: %w", p.line.Name(), err)
	}
	return nil
}

// Close ends Run and frees the socket.
func (p *Port) Close() error { return p.bus.Disconnect() }

// line is the io.ReadWriteCloser below brutella's: a socket in Go's network
// poller, so that Close ends a Read. That library writes identifiers
// little-endian whatever the machine; the kernel wants the machine's order.
type line struct{ *os.File }

// Read returns one classic frame; FD frames, which brutella's Frame cannot
// hold, are passed over. An interface that goes down is waited for: the same
// socket receives again when it is up. After Close it returns fs.ErrClosed;
// never io.EOF, at which brutella's Bus would read again for ever.
func (l line) Read(b []byte) (int, error) {
	for {
		n, err := l.File.Read(b)
		switch {
		case errors.Is(err, io.EOF):
			return 0, io.ErrUnexpectedEOF
		case err != nil && !errors.Is(err, unix.ENETDOWN):
			return 0, err
		}
		if n == classicSize {
			binary.LittleEndian.PutUint32(b, binary.NativeEndian.Uint32(b))
			return n, nil
		}
	}
}

func (l line) Write(b []byte) (int, error) {
	binary.NativeEndian.PutUint32(b, binary.LittleEndian.Uint32(b))
	return len(b), l.send(b)
}

// send writes one message. A socket whose interface was down meanwhile says so
// once, also when it is up again; asked again, it speaks of now.
func (l line) send(b []byte) error {
	_, err := l.File.Write(b)
	if errors.Is(err, unix.ENETDOWN) {
		_, err = l.File.Write(b)
	}
	return err
}

func (l line) Close() error {
	if err := l.File.Close(); err != nil && !errors.Is(err, fs.ErrClosed) {
		return err
	}
	return nil
}

func toBrutella(raw []byte) brutella.Frame {
	f := brutella.Frame{ID: binary.NativeEndian.Uint32(raw), Length: raw[4], Flags: raw[5], Res0: raw[6], Res1: raw[7]}
	copy(f.Data[:], raw[8:])
	return f
}

func fromBrutella(f brutella.Frame) []byte {
	raw := make([]byte, classicSize)
	binary.NativeEndian.PutUint32(raw, f.ID)
	raw[4], raw[5], raw[6], raw[7] = f.Length, f.Flags, f.Res0, f.Res1
	copy(raw[8:], f.Data[:])
	return raw
}
