package mdf

// What the numbers of the blocks mean is in doc.go and docs/formats.md B.
const (
	idSize   = 64 // of the ID block; HD follows
	hdSize   = 104
	dgSize   = 64
	dtHeader = 24

	flagsAt      = 60 // in ID: u16 standard flags, u16 custom flags
	unfinalised  = 0x05
	cycleCountAt = 80 // in CG: u64
	lengthAt     = 8  // in every block but ID: u64

	version = 411
	timeUTC = 2 // HD, FH: the offsets are valid, and zero

	cgBusEvent = 2 | 4 // plain bus event group
	cnBusEvent = 0x400 // channel of a bus event
	cnMaster   = 2     // channel type
	cnTime     = 1     // sync type of the master
	ccLinear   = 1
	ccText     = 7
	siBus      = 2 // source type
	siCAN      = 2 // bus type
)

// comments are the XML texts of a file.
type comments struct {
	head, history, source string // of HD, FH and SI
}

// metadata returns everything that stands before the records of a live file.
func metadata(h *Header) []byte {
	return framed(h.Start, comments{headerXML(h), historyXML(h), sourceXML(h)}, false, func(b *builder, source int64) int64 {
		cg := b.groups(source, h.Plain)
		b.align()
		records := int64(len(b.b)) + dgSize
		dg := b.block("DG", []int64{0, cg, records, 0}, le(uint8(1), [7]uint8{}))
		b.block("DT", nil, nil)
		return dg
	})
}

// framed puts ID, HD, FH and the source of the frames around data groups;
// data appends these and returns the first.
func framed(start int64, c comments, finished bool, data func(b *builder, source int64) int64) []byte {
	b := &builder{b: make([]byte, idSize+hdSize, 48<<10), shared: map[string]int64{}}
	comment, history := b.xml(c.head), b.xml(c.history)
	fh := b.block("FH", []int64{0, history}, le(uint64(start), int16(0), int16(0), uint8(timeUTC), [3]uint8{}))
	source := b.block("SI", []int64{b.text("CAN"), b.text("CAN"), b.xml(c.source)},
		le(uint8(siBus), uint8(siCAN), [6]uint8{}))
	dg := data(b, source)
	hd := builder{}
	hd.block("HD", []int64{dg, fh, 0, 0, 0, comment},
		le(uint64(start), int16(0), int16(0), uint8(timeUTC), uint8(0), uint8(0), uint8(0), 0.0, 0.0))
	copy(b.b[idSize:], hd.b)
	copy(b.b, identification(finished))
	return b.b
}

// identification returns the ID block.
func identification(finished bool) []byte {
	text, flags := "UnFinMF ", uint16(unfinalised)
	if finished {
		text, flags = "MDF     ", 0
	}
	id := make([]byte, idSize)
	copy(id, text+"4.11    canseal")
	copy(id[28:], le(uint16(version)))
	copy(id[flagsAt:], le(flags))
	return id
}

// groups appends the channel groups that a file declares and returns the first.
func (b *builder) groups(source int64, plain bool) int64 {
	var next int64
	for i := len(groups) - 1; i >= 0; i-- {
		if g := &groups[i]; g.rid != ridPlain || plain {
			next = b.group(g, source, next, uint64(g.rid), 0)
		}
	}
	return next
}

// group appends one channel group with a count of records.
func (b *builder) group(g *group, source, next int64, id, count uint64) int64 {
	flags, separator := uint16(cgBusEvent), uint16('.')
	if g.channel == "" {
		flags, separator, source = 0, 0, 0
	}
	return b.block("CG", []int64{next, b.master(g), b.text(g.name), source, 0, 0},
		le(id, count, flags, separator, uint32(0), uint32(g.size), uint32(0)))
}

// master appends the channels of a group and returns the first, its Timestamp.
func (b *builder) master(g *group) int64 {
	var first int64
	if g.channel != "" {
		first = b.channel(channel{
			field:   field{name: g.channel, at: headAt, bits: 8 * (g.size - headAt), kind: octets},
			members: b.fields(g.channel, cnBusEvent, g.fields), flags: cnBusEvent,
		})
	} else {
		first = b.fields(g.name, 0, g.fields)
	}
	return b.channel(channel{
		field: field{name: "Timestamp", bits: 64, kind: instant}, next: first, role: cnMaster, sync: cnTime,
	})
}

// fields appends the channels of a record's fields and returns the first.
func (b *builder) fields(prefix string, flags uint32, fields []field) int64 {
	var next int64
	for i := len(fields) - 1; i >= 0; i-- {
		f := fields[i]
		f.name = prefix + "." + f.name
		next = b.channel(channel{field: f, next: next, flags: flags})
	}
	return next
}

// channel is a field as a CN block has it.
type channel struct {
	field
	next, members int64
	role, sync    uint8
	flags         uint32
}

func (b *builder) channel(c channel) int64 {
	if c.kind == instant {
		c.unit = "s"
	}
	links := []int64{c.next, c.members, b.text(c.name), 0, b.conversion(&c.field), 0, b.text(c.unit), 0}
	return b.block("CN", links, le(c.role, c.sync, c.kind, uint8(c.bit), uint32(c.at), uint32(c.bits), c.flags,
		uint32(0), uint8(0), uint8(0), uint16(0), [6]float64{}))
}

// conversion appends the CC block of a field: ns to s, or values to texts.
func (b *builder) conversion(f *field) int64 {
	if f.kind == instant {
		return b.share("CC", []int64{0, b.text("s"), 0, 0},
			le(uint8(ccLinear), uint8(0), uint16(0), uint16(0), uint16(2), 0.0, 0.0, 0.0, 1e-9))
	}
	if f.codes == nil {
		return 0
	}
	links, values := []int64{0, 0, 0, 0}, []float64{}
	for _, c := range f.codes {
		links, values = append(links, b.text(c.text)), append(values, float64(c.value))
	}
	links = append(links, b.text("reserved"))
	n := uint16(len(values))
	return b.share("CC", links, le(uint8(ccText), uint8(0), uint16(0), n+1, n, 0.0, 0.0, values))
}
