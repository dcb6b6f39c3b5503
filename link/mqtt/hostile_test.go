package mqtt

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.golang/packets"
)

// broker is one that a test plays, over pipes. Its behaviour may change.
type broker struct {
	lock    sync.Mutex
	serve   func(net.Conn)
	got     []string // payloads acknowledged by a good broker, in order
	topics  []string
	dials   int
	over    chan struct{} // closed when the test ends
	strange []byte        // types of packets that a publisher must not send
}

func (b *broker) dial(context.Context) (net.Conn, error) {
	b.lock.Lock()
	defer b.lock.Unlock()
	b.dials++
	if b.serve == nil {
		return nil, net.ErrClosed
	}
	here, there := net.Pipe()
	serve := b.serve
	go func() {
		defer there.Close()
		serve(held{there, b.over})
	}()
	return here, nil
}

// held is a connection of which a broker can do nothing until the end.
type held struct {
	net.Conn
	over <-chan struct{}
}

func nothing(c net.Conn) { <-c.(held).over }

func (b *broker) become(serve func(net.Conn)) {
	b.lock.Lock()
	defer b.lock.Unlock()
	b.serve = serve
}

// good is a broker as it should be.
func (b *broker) good(c net.Conn) {
	if !welcome(c, nil) {
		return
	}
	for {
		p, err := packets.ReadPacket(c)
		if err != nil {
			return
		}
		switch m := p.Content.(type) {
		case *packets.Publish:
			b.take(m)
			if write(c, packets.PUBACK, func(p any) { p.(*packets.Puback).PacketID = m.PacketID }) != nil {
				return
			}
		case *packets.Pingreq:
			if write(c, packets.PINGRESP, nil) != nil {
				return
			}
		case *packets.Disconnect:
			return
		default:
			b.lock.Lock()
			b.strange = append(b.strange, p.Type)
			b.lock.Unlock()
		}
	}
}

func (b *broker) take(m *packets.Publish) {
	b.lock.Lock()
	defer b.lock.Unlock()
	b.got = append(b.got, string(m.Payload))
	b.topics = append(b.topics, m.Topic)
}

// welcome reads CONNECT and sends CONNACK.
func welcome(c net.Conn, change func(*packets.Connack)) bool {
	if p, err := packets.ReadPacket(c); err != nil || p.Type != packets.CONNECT {
		return false
	}
	return write(c, packets.CONNACK, func(p any) {
		if change != nil {
			change(p.(*packets.Connack))
		}
	}) == nil
}

func write(c net.Conn, kind byte, fill func(any)) error {
	p := packets.NewControlPacket(kind)
	if fill != nil {
		fill(p.Content)
	}
	_, err := p.WriteTo(c)
	return err
}

// answers is a broker that welcomes and then answers each PUBLISH.
func answers(answer func(c net.Conn, m *packets.Publish) error) func(net.Conn) {
	return func(c net.Conn) {
		if !welcome(c, nil) {
			return
		}
		for {
			p, err := packets.ReadPacket(c)
			if err != nil {
				return
			}
			if m, is := p.Content.(*packets.Publish); is && answer(c, m) != nil {
				return
			}
		}
	}
}

// sends is a broker that welcomes and then sends bytes, again and again.
func sends(times int, b []byte) func(net.Conn) {
	return func(c net.Conn) {
		if !welcome(c, nil) {
			return
		}
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			_, _ = io.Copy(io.Discard, c)
		}()
		for range times {
			if _, err := c.Write(b); err != nil {
				break
			}
		}
		<-gone
	}
}

// acknowledgement is a PUBACK with a reason.
func acknowledgement(id uint16, reason byte) []byte {
	return []byte{packets.PUBACK << 4, 3, byte(id >> 8), byte(id), reason}
}

// publish0 is a PUBLISH from the broker.
func publish0(flags byte, topic string, body []byte) []byte {
	b := append([]byte{0, byte(len(topic))}, topic...)
	if flags&6 != 0 {
		b = append(b, 0, 1)
	}
	b = append(append(b, 0), body...)
	head := []byte{packets.PUBLISH<<4 | flags}
	for n := len(b); ; n >>= 7 {
		if n < 0x80 {
			head = append(head, byte(n))
			break
		}
		head = append(head, byte(n)|0x80)
	}
	return append(head, b...)
}

func slowly(b []byte, pause time.Duration) func(net.Conn) {
	return func(c net.Conn) {
		go func() { _, _ = io.Copy(io.Discard, c) }()
		for _, x := range b {
			time.Sleep(pause)
			if _, err := c.Write([]byte{x}); err != nil {
				return
			}
		}
	}
}

func connackWith(change func(*packets.Connack)) func(net.Conn) {
	return func(c net.Conn) {
		if welcome(c, change) {
			_, _ = io.Copy(io.Discard, c)
		}
	}
}

func raw(b ...byte) func(net.Conn) {
	return func(c net.Conn) {
		if _, err := packets.ReadPacket(c); err == nil {
			_, _ = c.Write(b)
			_, _ = io.Copy(io.Discard, c)
		}
	}
}

// hostile are behaviours of brokers. lost says that messages may be refused for
// good; all others must arrive, once the broker is good.
var hostile = map[string]struct {
	serve   func(net.Conn)
	guarded bool // the guard must have closed connections
}{
	// what no subscriber asked for
	"topic is no UTF-8":    {sends(1, publish0(0, "\xff\xfe", nil)), true},
	"NUL in the topic":     {sends(1, publish0(2, "a\x00b", nil)), true},
	"retained flood QoS 0": {sends(5000, publish0(1, "a", make([]byte, 1024))), true},
	"retained flood QoS 1": {sends(5000, publish0(3, "a", make([]byte, 1024))), true},
	"flood QoS 2":          {sends(5000, publish0(4, "a", make([]byte, 100))), true},
	"QoS 3":                {sends(1, publish0(6, "a", nil)), true},
	"unknown topic alias":  {sends(1, []byte{0x30, 6, 0, 0, 3, 0x23, 0xFF, 0xFF}), true},
	// lengths
	"256 MB claimed before CONNACK": {raw(0x30, 0xFF, 0xFF, 0xFF, 0x7F), true},
	"256 MB of CONNACK":             {raw(0x20, 0xFF, 0xFF, 0xFF, 0x7F), true},
	"256 MB claimed, then drops": {func(c net.Conn) {
		welcome(c, nil)
		slowly(append([]byte{0x30, 0xFF, 0xFF, 0xFF, 0x7F}, make([]byte, 50)...), 50*time.Millisecond)(c)
	}, true},
	"256 MB of PUBACK":              {sends(1, []byte{0x40, 0xFF, 0xFF, 0xFF, 0x7F}), true},
	"200 MiB sent":                  {sends(3200, append([]byte{0x30, 0xFF, 0xFF, 0xFF, 0x63}, make([]byte, 64<<10)...)), true},
	"a length of five bytes":        {sends(1, []byte{0x40, 0xFF, 0xFF, 0xFF, 0xFF, 1}), true},
	"a PUBLISH of six bytes length": {sends(1, []byte{0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1}), true},
	// acknowledgements
	"never a PUBACK": {answers(func(net.Conn, *packets.Publish) error { return nil }), false},
	"PUBACK of others": {answers(func(c net.Conn, m *packets.Publish) error {
		_, err := c.Write(acknowledgement(m.PacketID+1000, 0))
		return err
	}), false},
	"quota exceeded": {answers(func(c net.Conn, m *packets.Publish) error {
		_, err := c.Write(acknowledgement(m.PacketID, 0x97))
		return err
	}), false},
	"PUBREC for QoS 1": {answers(func(c net.Conn, m *packets.Publish) error {
		_, err := c.Write([]byte{0x50, 2, byte(m.PacketID >> 8), byte(m.PacketID)})
		return err
	}), true},
	"PUBACK of one byte": {answers(func(c net.Conn, _ *packets.Publish) error { _, err := c.Write([]byte{0x40, 1, 0}); return err }), false},
	"SUBACK":             {sends(1, []byte{0x90, 4, 0, 1, 0, 0}), true},
	"PUBREL":             {sends(1, []byte{0x62, 2, 0, 1}), true},
	// wrong packets
	"type 0":            {sends(1, []byte{0, 0}), true},
	"AUTH":              {sends(1, []byte{0xF0, 0}), true},
	"AUTH for CONNACK":  {raw(0xF0, 0), true},
	"CONNECT":           {sends(1, []byte{0x10, 0}), true},
	"SUBSCRIBE":         {sends(1, []byte{0x82, 6, 0, 1, 0, 0, 0, 0}), true},
	"every type, empty": {sends(1, []byte{0x00, 0, 0x10, 0, 0x20, 0, 0x30, 0, 0x40, 0, 0x50, 0}), true},
	"PINGRESP flood":    {sends(20_000, []byte{0xD0, 0}), false},
	"flags of a PUBACK": {sends(1, []byte{0x4F, 2, 0, 1}), true},
	"garbage":           {sends(1, bytes.Repeat([]byte{0xA5, 0x3C}, 500)), true},
	// CONNACK
	"CONNACK twice":          {sends(2, []byte{0x20, 3, 0, 0, 0}), true},
	"a bad property":         {raw(0x20, 7, 0, 0, 4, 0x24, 9, 0x24, 9), false},
	"no QoS 1":               {connackWith(func(p *packets.Connack) { p.Properties.MaximumQOS = ptr(byte(0)) }), false},
	"packets of 30 bytes":    {connackWith(func(p *packets.Connack) { p.Properties.MaximumPacketSize = ptr(uint32(30)) }), false},
	"receive maximum 0":      {connackWith(func(p *packets.Connack) { p.Properties.ReceiveMaximum = ptr(uint16(0)) }), false},
	"keep-alive 0":           {connackWith(func(p *packets.Connack) { p.Properties.ServerKeepAlive = ptr(uint16(0)) }), false},
	"keep-alive 1":           {connackWith(func(p *packets.Connack) { p.Properties.ServerKeepAlive = ptr(uint16(1)) }), false},
	"reason is no UTF-8":     {connackWith(func(p *packets.Connack) { p.ReasonCode, p.Properties.ReasonString = 0x87, "\xff\x1b[31m" }), false},
	"session present":        {connackWith(func(p *packets.Connack) { p.SessionPresent = true }), false},
	"never CONNACK":          {func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, false},
	"CONNACK byte for byte":  {slowly([]byte{0x20, 3, 0, 0, 0}, 1500*time.Millisecond), false},
	"length of CONNACK lies": {raw(0x20, 100, 0, 0, 0), false},
	// refusals and storms
	"refused":                  {connackWith(func(p *packets.Connack) { p.ReasonCode = 0x87 }), false},
	"another server":           {connackWith(func(p *packets.Connack) { p.ReasonCode, p.Properties.ServerReference = 0x9D, "evil.example" }), false},
	"closes after CONNACK":     {func(c net.Conn) { welcome(c, nil) }, false},
	"closes before CONNACK":    {func(c net.Conn) { _, _ = packets.ReadPacket(c) }, false},
	"closes at once":           {func(net.Conn) {}, false},
	"reads no more":            {func(c net.Conn) { welcome(c, nil); nothing(c) }, false},
	"DISCONNECT quota":         {sends(1, []byte{0xE0, 2, 0x97, 0}), false},
	"DISCONNECT session taken": {sends(1, []byte{0xE0, 2, 0x8E, 0}), false},
}

// No behaviour of a broker loses a message that the ring holds, takes memory,
// or makes this client send anything but what a publisher sends.
func TestHostileBrokers(t *testing.T) {
	for name, row := range hostile {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { hostileThenGood(t, row.serve, row.guarded) })
		})
	}
}

const (
	badFor    = 3 * time.Second
	mostExtra = 8 << 20 // bytes of heap above idle
)

func hostileThenGood(t *testing.T, serve func(net.Conn), guarded bool) {
	b := &broker{serve: serve, over: make(chan struct{})}
	defer close(b.over)
	idle := heap()
	o := New(Options{Dial: b.dial, ClientID: "test"})
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := o.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	var want []string
	peak := int64(0)
	for i := range 100 {
		want = append(want, fmt.Sprintf("message %d", i))
		o.Offer(Message{Topic: "can/A1B2C3D4/can0/frames", Payload: []byte(want[i])})
		time.Sleep(badFor / 100)
		if i%10 == 9 {
			peak = max(peak, heap()-idle)
		}
	}
	if t.Logf("peak heap %.1f MB above idle", float64(peak)/1e6); peak > mostExtra {
		t.Errorf("%d bytes of heap above idle, wanted at most %d", peak, mostExtra)
	}
	b.become(b.good)
	for range 300 {
		if time.Sleep(time.Second); o.Status().Waiting == 0 {
			break
		}
	}
	stop()
	running.Wait()
	slices.Sort(want)
	got := slices.Compact(slices.Sorted(slices.Values(b.got)))
	if !slices.Equal(got, want) {
		t.Errorf("%d of %d messages arrived; %+v", len(got), len(want), o.Status())
	}
	if len(b.strange) > 0 {
		t.Errorf("the client sent packets of types %v", b.strange)
	}
	if s := o.Status(); guarded != (s.Guarded > 0) {
		t.Errorf("guarded %d connections, wanted that: %v", s.Guarded, guarded)
	}
}

func heap() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// answersLike is a good broker that forbids one topic.
func answersLike(b *broker) func(net.Conn) {
	return answers(func(c net.Conn, m *packets.Publish) error {
		if m.Topic == "forbidden" {
			_, err := c.Write(acknowledgement(m.PacketID, 0x87))
			return err
		}
		b.take(m)
		_, err := c.Write(acknowledgement(m.PacketID, 0))
		return err
	})
}

// canned is a connection that gives bytes and ends.
type canned struct{ left []byte }

func (c *canned) Read(p []byte) (int, error) {
	if len(c.left) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.left)
	c.left = c.left[n:]
	return n, nil
}
func (*canned) Write(p []byte) (int, error)      { return len(p), nil }
func (*canned) Close() error                     { return nil }
func (*canned) LocalAddr() net.Addr              { return nil }
func (*canned) RemoteAddr() net.Addr             { return nil }
func (*canned) SetDeadline(time.Time) error      { return nil }
func (*canned) SetReadDeadline(time.Time) error  { return nil }
func (*canned) SetWriteDeadline(time.Time) error { return nil }
