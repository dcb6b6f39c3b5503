package buslog

import (
	"fmt"
)

// maxStreams bounds the data groups read at once.
const maxStreams = 512

// pass is one walk through a file.
type pass struct {
	f        *File
	report   *Report
	spent    int64 // bytes of the blocks visited
	unpacked int64 // bytes of the DZ blocks that were unpacked
	held     int   // bytes of the DZ blocks that are open
	inflater inflater
	streams  []*stream // that have not ended, the one with the oldest record first
	free     [][]byte
	retired  [][]byte
	waste    [4096]byte
}

// chunk returns memory for records, with slack.
func (p *pass) chunk() []byte {
	if n := len(p.free); n > 0 {
		c := p.free[n-1]
		p.free = p.free[:n-1]
		return c
	}
	return make([]byte, p.f.chunk+slack)
}

// retire gives a chunk back that records may still point to.
func (p *pass) retire(c []byte) {
	if c != nil {
		p.retired = append(p.retired, c)
	}
}

// recycle says that no record handed out is used any more, but for those that
// were made independent, and the heads of the streams.
func (p *pass) recycle() {
	if len(p.retired) > 0 {
		p.free = append(p.free, p.retired...)
		p.retired = p.retired[:0]
	}
}

func (p *pass) damage(at, lost int64, err error) {
	p.report.damage(Damage{Offset: at, Lost: lost, Err: err})
}

// begin opens the streams of the data groups that are wanted.
func (f *File) begin(report *Report, want func(*dataGroup) bool) *pass {
	p := &pass{f: f, report: report}
	for i, d := range f.groups {
		if !want(d) {
			continue
		}
		if len(p.streams) == maxStreams {
			p.damage(d.at, 0, corrupt(d.at, fmt.Sprintf("at most %d groups with records", maxStreams), "more"))
			break
		}
		s := p.open(d, i)
		if s == nil || !s.advance() {
			continue
		}
		p.streams = append(p.streams, s)
		p.settle(len(p.streams) - 1)
	}
	return p
}

// open begins the stream of a data group; nil if it has none.
func (p *pass) open(d *dataGroup, order int) *stream {
	if d.data == 0 || len(d.groups) == 0 {
		return nil
	}
	s := &stream{p: p, d: d, order: order, counts: map[*group]uint64{}, vlsd: map[*group]*vlsd{}}
	s.flow = flow{p: p, kind: "DT", list: list{next: d.data}}
	if d.ridLen == 0 {
		s.single = d.groups[0]
		if s.single.size == 0 || s.single.stage == stageVLSD {
			return nil
		}
		if p.f.header.Finalised {
			s.limit = s.single.count
		}
	}
	for _, g := range d.groups {
		if g.stage == stageVLSD && g.payload != nil {
			v := &vlsd{}
			s.vlsd[g], s.vlsd[g.payload] = v, v
		}
		if g.frame.payloads.kind == inBlock && s.blob == nil {
			s.blob = &blob{p: p, flow: flow{p: p, kind: "SD", list: list{next: g.frame.payloads.at}}}
		}
	}
	return s
}

// ahead is how many records of a group are read ahead in a merge.
const ahead = 64

// advance goes to the next record; false at the end. What is read ahead stands
// in one chunk, so that no other is needed any more.
func (s *stream) advance() bool {
	if s.head++; s.head < len(s.queue) {
		return true
	}
	if s.queue == nil {
		s.queue = make([]record, 0, ahead)
	}
	s.queue, s.head = s.queue[:ahead], 0
	n := s.quick(s.queue)
	if n == 0 && s.next(&s.queue[0]) == nil {
		n = 1
	}
	s.queue = s.queue[:n]
	return n > 0
}

// before orders streams by their heads.
func (s *stream) before(t *stream) bool {
	a, b := &s.queue[s.head], &t.queue[t.head]
	if a.time != b.time {
		return a.time < b.time
	}
	if a.g.rank != b.g.rank {
		return a.g.rank < b.g.rank
	}
	return s.order < t.order
}

// settle moves a stream to where it belongs among those beside it.
func (p *pass) settle(i int) {
	for ; i > 0 && p.streams[i].before(p.streams[i-1]); i-- {
		p.streams[i], p.streams[i-1] = p.streams[i-1], p.streams[i]
	}
	for ; i+1 < len(p.streams) && p.streams[i+1].before(p.streams[i]); i++ {
		p.streams[i], p.streams[i+1] = p.streams[i+1], p.streams[i]
	}
}

// next reads the oldest records of all streams, and returns how many; 0 means
// the end. They are valid until recycle.
func (p *pass) next(to []record) (n int) {
	for n < len(to) && len(p.streams) > 0 {
		s := p.streams[0]
		if len(p.streams) == 1 { // what is left needs no merge
			return n + p.rest(s, to[n:])
		}
		to[n] = s.queue[s.head]
		if n++; s.advance() {
			p.settle(0)
		} else {
			p.streams = p.streams[1:]
		}
	}
	return n
}

// rest reads from the last stream.
func (p *pass) rest(s *stream, to []record) int {
	n := copy(to, s.queue[s.head:])
	if s.head += n; s.head < len(s.queue) {
		return n
	}
	n += s.fill(to[n:])
	if n < len(to) {
		p.streams = nil
	}
	return n
}
