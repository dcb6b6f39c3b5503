package mqtt

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"canseal/can"
)

// FeedOptions say what is published.
type FeedOptions struct {
	Prefix      string           // before the device in topics
	Device      string           // such as A1B2C3D4
	Buses       map[uint8]string // names by number
	Frames      bool
	Verdicts    bool
	Identifiers []Identifier
	Status      func() any // the facts of the status topic; asked every StatusEvery
	Discovery   []Sensor   // for Home Assistant; none: off
}

// Identifier has a topic of its own.
type Identifier struct {
	Match func(id uint32, extended bool) bool
	Every time.Duration // at most one message in so long
}

// Sensor is a fact of the status that Home Assistant shows.
type Sensor struct {
	ID, Name string
	Path     string // in the status, such as "log.frames"
	Unit     string
}

const (
	batchEvery  = 100 * time.Millisecond
	judgeEvery  = time.Second
	statusEvery = time.Minute
	mostTaken   = 1 << 14 // events that wait for the next batch; of more the newest go
)

// Feed makes messages of what is recorded.
type Feed struct {
	o     FeedOptions
	out   *Output
	topic string // up to the device

	lock  sync.Mutex
	taken []can.Event
	lost  uint64 // events for which there was no room
	spare []can.Event

	seq      map[string]uint64     // by topic
	judged   map[uint8]*judgements // by bus
	latest   map[latestKey]int64   // time of the last message of an identifier
	notes    []note
	statusAt time.Time
	greeted  int // connections
}

type latestKey struct {
	rule int
	bus  uint8
	id   uint32
}

// judgements are the verdicts on a bus since the last message.
type judgements struct {
	from, to int64
	counts   map[string]uint64
}

// note is a security event.
type note struct {
	bus  uint8
	time int64
	what string
}

// NewFeed makes a feed of an output.
func NewFeed(out *Output, o FeedOptions) *Feed {
	return &Feed{
		o: o, out: out, topic: o.Prefix + "/" + name(o.Device),
		seq: map[string]uint64{}, judged: map[uint8]*judgements{}, latest: map[latestKey]int64{},
	}
}

// Will is what a broker says when the device is gone.
func Will(prefix, device string) Message {
	return Message{Topic: prefix + "/" + name(device) + "/status", Payload: []byte(`{"v":1,"online":false}`), Retain: true}
}

// name is a part of a topic: letters, digits, _ and -; all else becomes _.
func name(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x80 && (r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r == '_' || r == '-') {
			return r
		}
		return '_'
	}, s)
}

func (f *Feed) String() string { return "mqtt feed" }

// Take takes events that were recorded. It never waits: it is called where
// frames are recorded. The events are copied.
func (f *Feed) Take(events []can.Event) {
	f.lock.Lock()
	defer f.lock.Unlock()
	n := min(len(events), mostTaken-len(f.taken))
	f.taken = append(f.taken, events[:n]...)
	f.lost += uint64(len(events) - n)
}

// Note takes a security event. It never waits.
func (f *Feed) Note(bus uint8, at int64, what string) {
	f.lock.Lock()
	defer f.lock.Unlock()
	if len(f.notes) < mostTaken {
		f.notes = append(f.notes, note{bus, at, what})
	}
}

// Run publishes until ctx ends.
func (f *Feed) Run(ctx context.Context) error {
	batch, judge := time.NewTicker(batchEvery), time.NewTicker(judgeEvery)
	defer batch.Stop()
	defer judge.Stop()
	f.discover()
	f.status(time.Now())
	for {
		select {
		case <-batch.C:
			f.batch()
		case now := <-judge.C:
			f.judge()
			f.greet()
			f.status(now)
		case <-ctx.Done():
			f.batch()
			f.judge()
			return nil
		}
	}
}

// batch publishes what was taken since the last time.
func (f *Feed) batch() {
	f.lock.Lock()
	events := f.taken
	f.taken, f.spare = f.spare[:0], events
	f.lock.Unlock()
	batches := map[uint8]*frames{}
	for i := range events {
		e := &events[i]
		if e.Kind != can.KindFrame {
			continue
		}
		f.count(e)
		f.identifiers(e)
		if !f.o.Frames {
			continue
		}
		b := batches[e.Bus]
		if b == nil {
			b = &frames{}
			batches[e.Bus] = b
		}
		if b.add(e); len(b.text) > f.out.Largest()-200 {
			f.send(e.Bus, b)
		}
	}
	for bus := range f.o.Buses {
		if b := batches[bus]; b != nil {
			f.send(bus, b)
		}
	}
}

// frames is a batch: its rows, and the time that they count from.
type frames struct {
	t0   int64
	text []byte
}

// Bits of the fourth value of a row.
const (
	rowExtended = 1 << iota
	rowRemote
	rowError
	rowFD
	rowBRS
	rowESI
	rowTx
)

// add appends [dt_us,"id","data",flags].
func (b *frames) add(e *can.Event) {
	if len(b.text) == 0 {
		b.t0 = e.Time
	} else {
		b.text = append(b.text, ',')
	}
	b.text = strconv.AppendInt(append(b.text, '['), (e.Time-b.t0)/1000, 10)
	b.text = append(append(append(b.text, `,"`...), hexID(&e.Frame)...), `","`...)
	b.text = append(hex.AppendEncode(b.text, e.Frame.Payload()), `",`...)
	b.text = append(strconv.AppendUint(b.text, flagsOf(e), 10), ']')
}

func hexID(f *can.Frame) string {
	if f.Is(can.Extended) {
		return fmt.Sprintf("%08X", f.ID)
	}
	return fmt.Sprintf("%03X", f.ID)
}

func flagsOf(e *can.Event) (flags uint64) {
	for _, bit := range []struct {
		is   bool
		flag uint64
	}{
		{e.Frame.Is(can.Extended), rowExtended}, {e.Frame.Is(can.Remote), rowRemote}, {e.Frame.Is(can.Error), rowError},
		{e.Frame.Is(can.FD), rowFD}, {e.Frame.Is(can.BRS), rowBRS}, {e.Frame.Is(can.ESI), rowESI}, {e.Dir != can.Rx, rowTx},
	} {
		if bit.is {
			flags |= bit.flag
		}
	}
	return flags
}

// send publishes a batch, and begins it anew.
func (f *Feed) send(bus uint8, b *frames) {
	if len(b.text) == 0 {
		return
	}
	topic := f.busTopic(bus, "frames")
	f.out.Offer(Message{Topic: topic, Payload: fmt.Appendf(nil, `{"v":1,"seq":%d,"t0":%q,"f":[%s]}`, f.next(topic), stamp(b.t0), b.text)})
	*b = frames{}
}

func (f *Feed) busTopic(bus uint8, what string) string {
	return f.topic + "/" + name(f.o.Buses[bus]) + "/" + what
}

func (f *Feed) next(topic string) uint64 {
	f.seq[topic]++
	return f.seq[topic]
}

// stamp is a time in RFC 3339 with nanoseconds.
func stamp(ns int64) string { return time.Unix(0, ns).UTC().Format(time.RFC3339Nano) }

// count counts a verdict.
func (f *Feed) count(e *can.Event) {
	if !f.o.Verdicts || e.Verdict == can.NotChecked {
		return
	}
	j := f.judged[e.Bus]
	if j == nil {
		j = &judgements{from: e.Time, counts: map[string]uint64{}}
		f.judged[e.Bus] = j
	}
	j.to = e.Time
	j.counts[e.Verdict.String()]++
}

// judge publishes the verdicts and security events since the last time.
func (f *Feed) judge() {
	f.lock.Lock()
	notes := f.notes
	f.notes = nil
	f.lock.Unlock()
	if !f.o.Verdicts {
		return
	}
	type event struct {
		T    string `json:"t"`
		What string `json:"what"`
	}
	byBus := map[uint8][]event{}
	for _, n := range notes {
		byBus[n.bus] = append(byBus[n.bus], event{stamp(n.time), n.what})
	}
	for bus := range f.o.Buses {
		j, events := f.judged[bus], byBus[bus]
		if j == nil && events == nil {
			continue
		}
		topic := f.busTopic(bus, "verdicts")
		message := map[string]any{"v": 1, "seq": f.next(topic)}
		if j != nil {
			message["t0"], message["t1"], message["counts"] = stamp(j.from), stamp(j.to), j.counts
		}
		if events != nil {
			message["events"] = events[:min(len(events), 100)]
			message["more"] = max(0, len(events)-100)
		}
		delete(f.judged, bus)
		f.offer(topic, message, false)
	}
}

// mostIdentifiers bounds the topics of identifiers.
const mostIdentifiers = 4096

// identifiers publishes frames that have topics of their own.
func (f *Feed) identifiers(e *can.Event) {
	for i, id := range f.o.Identifiers {
		if e.Frame.Is(can.Error) || !id.Match(e.Frame.ID, e.Frame.Is(can.Extended)) {
			continue
		}
		key := latestKey{i, e.Bus, e.Frame.ID}
		last, known := f.latest[key]
		if known && e.Time >= last && e.Time-last < int64(id.Every) || !known && len(f.latest) == mostIdentifiers {
			continue
		}
		f.latest[key] = e.Time
		f.out.Offer(Message{
			Topic:   f.busTopic(e.Bus, "id/"+hexID(&e.Frame)),
			Payload: fmt.Appendf(nil, `{"v":1,"t":%q,"d":"%x"}`, stamp(e.Time), e.Frame.Payload()),
		})
	}
}

// greet says anew what is retained to a broker that was lost: it may have
// forgotten it, or have told others that this device is gone.
func (f *Feed) greet() {
	n := f.out.Status().connections
	if n > max(f.greeted, 1) {
		f.statusAt = time.Time{}
		f.discover()
	}
	f.greeted = n
}

// status publishes the status, at most every minute.
func (f *Feed) status(now time.Time) {
	if !f.statusAt.IsZero() && now.Sub(f.statusAt) < statusEvery {
		return
	}
	f.statusAt = now
	f.lock.Lock()
	lost := f.lost
	f.lock.Unlock()
	out := f.out.Status()
	message := map[string]any{
		"v": 1, "online": true, "t": stamp(now.UnixNano()),
		"mqtt": map[string]any{"sent": out.Sent, "dropped": out.Dropped, "refused": out.Refused, "frames_dropped": lost},
	}
	if f.o.Status != nil {
		message["device"] = f.o.Status()
	}
	f.offer(f.topic+"/status", message, true)
}

func (f *Feed) offer(topic string, message any, retain bool) {
	if payload, err := json.Marshal(message); err == nil { // what cannot be shown is not
		f.out.Offer(Message{Topic: topic, Payload: payload, Retain: retain})
	}
}

// discover tells Home Assistant what the status holds.
func (f *Feed) discover() {
	node := "canseal_" + name(f.o.Device)
	for _, s := range f.o.Discovery {
		about := map[string]any{
			"name": s.Name, "unique_id": node + "_" + s.ID, "state_topic": f.topic + "/status",
			"value_template":        "{{ value_json.device." + s.Path + " }}",
			"availability_topic":    f.topic + "/status",
			"availability_template": "{{ 'online' if value_json.online else 'offline' }}",
			"device":                map[string]any{"identifiers": []string{node}, "name": "canseal " + f.o.Device, "manufacturer": "canseal"},
		}
		if s.Unit != "" {
			about["unit_of_measurement"] = s.Unit
		}
		f.offer("homeassistant/sensor/"+node+"/"+name(s.ID)+"/config", about, true)
	}
}
