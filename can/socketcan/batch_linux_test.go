package socketcan

import (
	"encoding/binary"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// note appends a control message in the machine's form.
func note(b []byte, level, kind int, body ...byte) []byte {
	length := headerSize + len(body)
	if wordSize == 4 {
		b = binary.NativeEndian.AppendUint32(b, uint32(length))
	} else {
		b = binary.NativeEndian.AppendUint64(b, uint64(length))
	}
	b = binary.NativeEndian.AppendUint32(b, uint32(level))
	b = binary.NativeEndian.AppendUint32(b, uint32(kind))
	b = append(b, body...)
	return append(b, make([]byte, -length&(wordSize-1))...)
}

func long(n ...int64) (b []byte) {
	for _, n := range n {
		b = binary.NativeEndian.AppendUint64(b, uint64(n))
	}
	return b
}

func words(n ...int64) (b []byte) {
	if wordSize == 8 {
		return long(n...)
	}
	for _, n := range n {
		b = binary.NativeEndian.AppendUint32(b, uint32(n))
	}
	return b
}

func drops(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }

func TestParseControl(t *testing.T) {
	const s = unix.SOL_SOCKET
	stamped := note(nil, s, unix.SO_TIMESTAMPING_NEW, long(1735270496, 916858001, 0, 0, 7, 8)...)
	for name, c := range map[string]struct {
		raw  []byte
		want control
	}{
		"nothing":                          {nil, control{}},
		"software stamp":                   {stamped, control{stamp: 1735270496_916858001}},
		"after 2038, on any machine":       {note(nil, s, unix.SO_TIMESTAMPING_NEW, long(1<<33, 5)...), control{stamp: 1<<33*1e9 + 5}},
		"old form":                         {note(nil, s, unix.SO_TIMESTAMPING, words(17, 5, 0, 0, 0, 0)...), control{stamp: 17e9 + 5}},
		"stamp and drops":                  {note(stamped, s, unix.SO_RXQ_OVFL, drops(4829)...), control{1735270496_916858001, 4829}},
		"drops and stamp":                  {append(note(nil, s, unix.SO_RXQ_OVFL, drops(1<<32-1)...), stamped...), control{1735270496_916858001, 1<<32 - 1}},
		"another level is not ours":        {note(nil, unix.SOL_CAN_RAW, unix.SO_RXQ_OVFL, drops(1)...), control{}},
		"another kind":                     {note(nil, s, unix.SO_MARK, drops(1)...), control{}},
		"cut body":                         {stamped[:len(stamped)-40], control{}},
		"cut header":                       {stamped[:headerSize-1], control{}},
		"short body":                       {note(nil, s, unix.SO_RXQ_OVFL, 1, 2), control{}},
		"length below the header's":        {make([]byte, 64), control{}},
		"last message without its padding": {note(nil, s, unix.SO_RXQ_OVFL, drops(3)...)[:headerSize+4], control{drops: 3}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := parseControl(c.raw); got != c.want {
				t.Fatalf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func FuzzParseControl(f *testing.F) {
	f.Add(note(nil, unix.SOL_SOCKET, unix.SO_TIMESTAMPING_NEW, long(1, 2, 0, 0, 0, 0)...))
	f.Fuzz(func(_ *testing.T, b []byte) { parseControl(b) })
}

// loopback returns two connected UDP sockets: the stand-in for CAN that has
// stamps and batches.
func loopback(t testing.TB) (send, receive int) {
	t.Helper()
	receive = udp(t)
	if err := unix.Bind(receive, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	here, err := unix.Getsockname(receive)
	if err != nil {
		t.Fatal(err)
	}
	send = udp(t)
	if err := unix.Connect(send, here); err != nil {
		t.Fatal(err)
	}
	if err := stamp(receive); err != nil {
		t.Fatal(err)
	}
	if err := unix.SetsockoptInt(receive, unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1); err != nil {
		t.Fatal(err)
	}
	warm(t, send, receive)
	return send, receive
}

// warm waits until the kernel stamps what arrives.
func warm(t testing.TB, out, in int) {
	t.Helper()
	b := newBatch()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		send(t, out, []byte{0})
		if n, err := b.receive(in); err == nil && n > 0 && b.control(n-1).stamp != 0 {
			return
		}
	}
	t.Fatal("the kernel does not stamp")
}

func udp(t testing.TB) int {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

func send(t testing.TB, fd int, b []byte) {
	t.Helper()
	if _, err := unix.Write(fd, b); err != nil {
		t.Fatal(err)
	}
}

// overLoopback returns a channel on the receiving end.
func overLoopback(fd int, bus uint8) *channel {
	ch := newChannel(Interface{Name: "udp", Bus: bus, ErrorFrames: true})
	ch.fd, ch.full = fd, true
	return ch
}

func TestBatchBringsMessagesInOrderWithStamps(t *testing.T) {
	out, in := loopback(t)
	b := newBatch()
	from := time.Now().Add(-time.Second).UnixNano()
	for i := range byte(batchSize + 3) {
		send(t, out, message(16, 0x100, 1, 0, 0, i))
	}
	next := byte(0)
	for _, want := range []int{batchSize, 3, 0} {
		n, err := b.receive(in)
		if n != want || err != nil {
			t.Fatalf("%d messages, %v, want %d", n, err, want)
		}
		for i := range n {
			if m := b.message(i); len(m) != 16 || m[8] != next {
				t.Fatalf("message %d is % x", next, m)
			}
			if c := b.control(i); c.stamp < from || c.stamp > time.Now().UnixNano() {
				t.Fatalf("message %d has stamp %d", next, c.stamp)
			}
			next++
		}
	}
}

func TestBatchMarksLongMessages(t *testing.T) {
	out, in := loopback(t)
	send(t, out, make([]byte, 100))
	b := newBatch()
	if n, err := b.receive(in); n != 1 || err != nil || b.flags(0)&unix.MSG_TRUNC == 0 || len(b.message(0)) != fdSize {
		t.Fatalf("%d messages, %v, flags %x", n, err, b.flags(0))
	}
}

func TestDropCounterOfAQuietSocket(t *testing.T) {
	out, in := loopback(t)
	if _, err := buffer(in, 4096); err != nil {
		t.Fatal(err)
	}
	const sent = 200
	for range sent {
		send(t, out, message(16, 0x100, 0, 0, 0))
	}
	got, b := 0, newBatch()
	for n := -1; n != 0; got += n {
		var err error
		if n, err = b.receive(in); err != nil {
			t.Fatal(err)
		}
	}
	lost, err := dropped(in)
	if err != nil || lost == 0 || got+int(lost) != sent {
		t.Fatalf("%d received, %d dropped, %v, want %d in sum", got, lost, err, sent)
	}
}

func BenchmarkDrain(b *testing.B) {
	out, in := loopback(b)
	if _, err := buffer(in, 16<<20); err != nil {
		b.Fatal(err)
	}
	ch, raw := overLoopback(in, 1), message(16, 0x123, 8, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8)
	c := quiet(ch)
	buf := events(256)
	b.ReportAllocs()
	for left := b.N; left > 0; {
		b.StopTimer()
		for range min(left, batchSize) {
			send(b, out, raw)
		}
		b.StartTimer()
		c.drained, c.more, c.rounds = false, true, drainRounds
		left -= c.fill(buf)
	}
}

func BenchmarkDecode(b *testing.B) {
	raw := message(16, 0x123, 8, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8)
	control := note(note(nil, unix.SOL_SOCKET, unix.SO_TIMESTAMPING_NEW, long(1, 2, 0, 0, 0, 0)...), unix.SOL_SOCKET, unix.SO_RXQ_OVFL, drops(1)...)
	var e = events(1)
	b.ReportAllocs()
	for b.Loop() {
		e[0].Time = parseControl(control).stamp
		decode(raw, &e[0].Frame)
	}
}
