package buslog

import (
	"fmt"
	"io"
)

// maxStreams bounds the data groups read at once.
const maxStreams = 512

// pass is one walk through a file.
type pass struct {
	f        *File
	report   *Report
	spent    int64 // bytes of the blocks visited
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
		if s == nil || s.advance() != nil {
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

// advance makes the next record the head.
func (s *stream) advance() (err error) {
	s.head, err = s.next()
	return err
}

// before orders streams by their heads.
func (s *stream) before(t *stream) bool {
	a, b := &s.head, &t.head
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

// next returns the oldest record of all heads, valid until recycle; io.EOF at
// the end.
func (p *pass) next() (record, error) {
	if len(p.streams) == 0 {
		return record{}, io.EOF
	}
	s := p.streams[0]
	r := s.head
	switch {
	case s.advance() != nil:
		p.streams = p.streams[1:]
	case len(p.streams) > 1:
		p.settle(0)
	}
	return r, nil
}
