package decode

import "canseal/can"

// Options say what a Decoder does.
type Options struct {
	Plan      *Plan
	Rows      int                // most rows of a batch (default 1024)
	Memory    int                // bytes that all rows together may take (default 64 MiB); then all are handed over
	Batch     func(*Batch) error // gets each full batch, and the rest at Flush
	Ahead     int                // batches that may be kept until they are released; 0: each is borrowed until Batch returns
	Transport TransportOptions
}

// Stats counts. Decoded, Unknown, Parts and NoSignal make up Frames.
type Stats struct {
	Frames, Decoded, Unknown, Parts, NoSignal uint64

	Messages uint64 // put together from parts, and decoded
	Foreign  uint64 // put together from parts, but in no DBC
	Lost     uint64 // began, and stayed incomplete
	Stray    uint64 // parts that belong to no message
}

// Decoder sorts frames into batches. Its memory is bounded by Options.Memory
// and the number of messages in the plan. One goroutine uses it.
type Decoder struct {
	options   Options
	stats     Stats
	transport transport

	tables map[tableKey]*table
	order  []*table // as they began
	held   []*table // those that got rows since all were handed over
	used   int      // bytes of all rows that there is room for
	free   chan *Batch

	routes map[uint64]route
	recent [1 << recentBits]recentRoute
}

type tableKey struct {
	bus uint8
	m   *Message
}

// route is where the frames of an identifier go: to a table, a transport
// protocol, both or nowhere.
type route struct {
	table    *table
	protocol protocol
}

type recentRoute struct {
	key uint64
	route
}

const (
	mostRoutes = 1 << 16 // identifiers that are remembered
	recentBits = 12
)

// New makes a Decoder.
func New(o Options) *Decoder {
	if o.Rows <= 0 {
		o.Rows = 1024
	}
	if o.Memory <= 0 {
		o.Memory = 64 << 20
	}
	d := &Decoder{
		options: o, transport: newTransport(o.Transport), tables: map[tableKey]*table{}, routes: map[uint64]route{},
		free: make(chan *Batch, max(1, o.Ahead)),
	}
	for range cap(d.free) {
		d.free <- &Batch{home: d.free, scratch: scratch{selected: map[int][]State{}}}
	}
	return d
}

// Add takes a frame; the error is what Options.Batch returned.
func (d *Decoder) Add(f *Frame) (Fate, error) {
	d.stats.Frames++
	if f.Flags&(can.Remote|can.Error) != 0 {
		d.stats.NoSignal++
		return NoSignal, nil
	}
	r := d.route(f)
	if r.protocol != none {
		if err := d.carry(r.protocol, f); err != nil {
			return Part, err
		}
	}
	switch {
	case r.table != nil:
		d.stats.Decoded++
		return Decoded, d.append(r.table, f)
	case r.protocol != none:
		d.stats.Parts++
		return Part, nil
	}
	d.stats.Unknown++
	return Unknown, nil
}

// route finds the way of a frame: almost always the one that the last frame of
// this identifier took.
func (d *Decoder) route(f *Frame) route {
	key := 1<<40 | uint64(f.Bus)<<32 | uint64(f.ID)
	if f.Flags&can.Extended != 0 {
		key |= extendedBit
	}
	if f.Flags&can.FD != 0 { // which may carry whole what classic frames carry in parts
		key |= 1 << 41
	}
	slot := &d.recent[key*0x9e3779b97f4a7c15>>(64-recentBits)]
	if slot.key != key {
		*slot = recentRoute{key, d.findRoute(key, f)}
	}
	return slot.route
}

func (d *Decoder) findRoute(key uint64, f *Frame) route {
	r, known := d.routes[key]
	if known {
		return r
	}
	m := d.options.Plan.Message(f.Bus, f.ID, f.Flags)
	r.protocol = d.transport.protocolOf(m, f.ID, f.Flags)
	if m != nil && (r.protocol == none || r.protocol == groups) {
		r.table = d.table(f.Bus, m)
	}
	if len(d.routes) < mostRoutes {
		d.routes[key] = r
	}
	return r
}

func (d *Decoder) table(bus uint8, m *Message) *table {
	key := tableKey{bus, m}
	t := d.tables[key]
	if t == nil {
		t = newTable(bus, m, len(d.order))
		d.tables[key] = t
		d.order = append(d.order, t)
	}
	return t
}

// carry gives a part to its protocol, and decodes the message that it completes.
func (d *Decoder) carry(p protocol, part *Frame) error {
	whole, complete := d.transport.assemble(p, part)
	if !complete {
		return nil
	}
	m := d.options.Plan.Message(whole.Bus, whole.ID, whole.Flags)
	if m == nil {
		d.stats.Foreign++
		return nil
	}
	d.stats.Messages++
	return d.append(d.table(whole.Bus, m), &whole)
}

// HandOver hands over all rows that are left; messages that are being put
// together go on.
func (d *Decoder) HandOver() error { return d.flushRows() }

// Flush hands over all rows that are left and forgets incomplete messages.
func (d *Decoder) Flush() error {
	d.transport.close()
	return d.flushRows()
}

// Stats returns the counts so far.
func (d *Decoder) Stats() Stats {
	s := d.stats
	s.Lost, s.Stray = d.transport.lost(), d.transport.stray()
	return s
}
