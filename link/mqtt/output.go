package mqtt

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/paho"
)

// Options say where an Output publishes.
type Options struct {
	Dial     func(context.Context) (net.Conn, error) // a verified connection
	ClientID string
	Username string
	Password func() (string, error) // nil: none
	Will     Message                // what the broker says when this client is gone
	Buffer   int                    // bytes of messages that wait (default 4 MiB)
	Log      *slog.Logger
	Event    func(what string) // something that a person should know: refusals, a hostile broker; may be nil
}

const (
	workers    = 8
	ackWithin  = 5 * time.Second
	keepAlive  = 30 // s
	firstPause = time.Second
	lastPause  = time.Minute
	leastRoom  = 1 << 10 // of a packet that the broker must take
)

// Output publishes messages, and forgets each when the broker has it.
type Output struct {
	o    Options
	ring *ring

	lock   sync.Mutex
	status Status
}

// Status tells how it goes.
type Status struct {
	Connected bool   `json:"connected"`
	Sent      uint64 `json:"sent"`    // acknowledged
	Dropped   uint64 `json:"dropped"` // for want of room
	Refused   uint64 `json:"refused"` // by the broker, for good
	Guarded   uint64 `json:"guarded"` // connections that ended because the broker sent what it must not
	Waiting   int    `json:"waiting"`
	Error     string `json:"error,omitempty"` // of the last attempt

	connections int  // so far
	largest     int  // packet that the broker takes
	forgets     bool // it keeps no messages for who comes later
}

// New makes an Output; Run makes it work.
func New(o Options) *Output {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Event == nil {
		o.Event = func(string) {}
	}
	if o.Buffer <= 0 {
		o.Buffer = 4 << 20
	}
	return &Output{o: o, ring: newRing(o.Buffer)}
}

func (o *Output) String() string { return "mqtt" }

// Offer hands a message over. It never waits.
func (o *Output) Offer(m Message) { o.ring.add(m) }

// Status returns how it goes.
func (o *Output) Status() Status {
	o.lock.Lock()
	s := o.status
	o.lock.Unlock()
	s.Waiting, s.Dropped = o.ring.counts()
	return s
}

// Largest is how many bytes a payload may have.
func (o *Output) Largest() int {
	o.lock.Lock()
	defer o.lock.Unlock()
	const most, head = 64 << 10, 300 // topic and headers
	if o.status.largest == 0 {
		return most
	}
	return min(most, o.status.largest-head)
}

// keeps tells whether the broker keeps messages for who comes later.
func (o *Output) keeps() bool {
	o.lock.Lock()
	defer o.lock.Unlock()
	return !o.status.forgets
}

// Run connects, publishes and connects again until ctx ends.
func (o *Output) Run(ctx context.Context) error {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		began := time.Now()
		err := o.session(ctx)
		if ctx.Err() != nil {
			return nil
		}
		o.failed(err)
		if time.Since(began) > lastPause {
			pause = firstPause
		}
		select {
		case <-time.After(pause/2 + rand.N(pause/2)):
		case <-ctx.Done():
			return nil
		}
	}
}

func (o *Output) failed(err error) {
	o.lock.Lock()
	o.status.Connected = false
	news := o.status.Error != err.Error()
	o.status.Error = err.Error()
	if errors.Is(err, ErrGuard) {
		o.status.Guarded++
	}
	o.lock.Unlock()
	if news {
		o.o.Log.Warn("no connection to the broker", "error", err)
		o.o.Event(err.Error())
	}
}

// session is one connection, from its begin to its end.
func (o *Output) session(ctx context.Context) error {
	inner, err := o.o.Dial(ctx)
	if err != nil {
		return fmt.Errorf("connect to the broker: %w", err)
	}
	g := newGuard(inner)
	defer g.Close()
	broken := make(chan error, 1)
	report := func(err error) {
		select {
		case broken <- err:
		default:
		}
	}
	client := paho.NewClient(paho.ClientConfig{
		Conn: g, PacketTimeout: ackWithin,
		OnServerDisconnect: func(d *paho.Disconnect) {
			report(fmt.Errorf("the broker ended the connection: reason 0x%02X", d.ReasonCode))
		},
		OnClientError: report,
	})
	if err := o.connect(ctx, client); err != nil {
		return cmp.Or(g.err(), err)
	}
	err = o.publish(ctx, client, broken)
	_ = client.Disconnect(&paho.Disconnect{ReasonCode: 0x04}) // and say the will
	g.Close()
	<-client.Done()
	return cmp.Or(g.err(), err) // other errors follow from the guard's
}

func (o *Output) connect(ctx context.Context, client *paho.Client) error {
	cp := &paho.Connect{
		ClientID: o.o.ClientID, KeepAlive: keepAlive, CleanStart: true,
		WillMessage: &paho.WillMessage{Topic: o.o.Will.Topic, Payload: o.o.Will.Payload, Retain: o.o.Will.Retain, QoS: 1},
		Properties: &paho.ConnectProperties{
			SessionExpiryInterval: new(uint32), ReceiveMaximum: ptr(uint16(1)), TopicAliasMaximum: new(uint16), MaximumPacketSize: ptr(uint32(mostInbound)),
		},
	}
	if o.o.Username != "" {
		cp.Username, cp.UsernameFlag = o.o.Username, true
	}
	if o.o.Password != nil {
		password, err := o.o.Password()
		if err != nil {
			return fmt.Errorf("password of the broker: %w", err)
		}
		cp.Password, cp.PasswordFlag = []byte(password), true
	}
	ack, err := client.Connect(ctx, cp)
	if ack != nil && ack.ReasonCode >= 0x80 {
		return fmt.Errorf("the broker refuses the connection: reason 0x%02X%s", ack.ReasonCode, said(ack))
	}
	if err != nil {
		return fmt.Errorf("connect to the broker: %w", err)
	}
	return o.agree(client, ack)
}

// said is what a broker says about a refusal, quoted and cut.
func said(ack *paho.Connack) string {
	if ack.Properties == nil || ack.Properties.ReasonString == "" {
		return ""
	}
	text := ack.Properties.ReasonString
	return ": " + strconv.QuoteToASCII(text[:min(len(text), 60)])
}

func ptr[T any](v T) *T { return &v }

// agree looks whether the broker takes what is sent here.
func (o *Output) agree(client *paho.Client, ack *paho.Connack) error {
	largest, forgets := 0, false
	if p := ack.Properties; p != nil {
		if p.MaximumQoS != nil && *p.MaximumQoS < 1 {
			_ = client.Disconnect(&paho.Disconnect{})
			return errors.New("the broker acknowledges nothing: wanted QoS 1")
		}
		forgets = !p.RetainAvailable
		if p.MaximumPacketSize != nil {
			largest = int(min(*p.MaximumPacketSize, 1<<30))
		}
		if largest > 0 && largest < leastRoom {
			_ = client.Disconnect(&paho.Disconnect{})
			return fmt.Errorf("the broker takes packets of %d bytes, wanted at least %d", largest, leastRoom)
		}
	}
	o.lock.Lock()
	defer o.lock.Unlock()
	o.status.connections++
	o.status.Connected, o.status.Error, o.status.largest, o.status.forgets = true, "", largest, forgets
	return nil
}

// publish sends what is in the ring until something breaks.
func (o *Output) publish(ctx context.Context, client *paho.Client, broken <-chan error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for {
				if err := o.one(ctx, client); err != nil {
					stop(err)
					return
				}
			}
		})
	}
	select {
	case err := <-broken:
		stop(err)
	case <-client.Done():
		stop(errors.New("the connection to the broker ended"))
	case <-ctx.Done():
	}
	all.Wait()
	return context.Cause(ctx)
}

// one publishes one message.
func (o *Output) one(ctx context.Context, client *paho.Client) error {
	e, m, err := o.ring.take(ctx)
	if err != nil {
		return err
	}
	if len(m.Payload) > o.Largest() {
		o.refuse(e, fmt.Sprintf("a message for %s has %d bytes, which the broker does not take", m.Topic, len(m.Payload)))
		return nil
	}
	ack, err := client.Publish(ctx, &paho.Publish{QoS: 1, Topic: m.Topic, Payload: m.Payload, Retain: m.Retain && o.keeps()})
	if ack != nil && forGood(ack.ReasonCode) {
		o.refuse(e, fmt.Sprintf("the broker refuses messages for %s: reason %d", m.Topic, ack.ReasonCode))
		return nil
	}
	if err != nil {
		o.ring.back(e)
		return fmt.Errorf("publish to %s: %w", m.Topic, err)
	}
	o.ring.done(e)
	o.lock.Lock()
	o.status.Sent++
	o.lock.Unlock()
	return nil
}

// forGood tells whether a message with this reason in its PUBACK would be
// refused again: not authorised, topic not valid, payload not valid.
func forGood(reason byte) bool { return reason == 0x87 || reason == 0x90 || reason == 0x99 }

// refuse forgets a message that the broker will never take. It is told once
// for a reason in a row.
func (o *Output) refuse(e *entry, why string) {
	o.ring.done(e)
	o.lock.Lock()
	o.status.Refused++
	news := o.status.Error != why
	o.status.Error = why
	o.lock.Unlock()
	if news {
		o.o.Log.Warn("a message was refused", "error", why)
		o.o.Event(why)
	}
}
