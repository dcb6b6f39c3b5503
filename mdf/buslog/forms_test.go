package buslog_test

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"canseal/can"
	"canseal/mdf/buslog"
)

// maker lays the blocks of a file one behind the other, as docs/formats.md B1
// has them.
type maker struct{ b []byte }

func newMaker(finalised bool, flags uint16) *maker {
	m := &maker{make([]byte, 64)}
	copy(m.b, "UnFinMF 4.11    test    ")
	if finalised {
		copy(m.b, "MDF     ")
	}
	binary.LittleEndian.PutUint16(m.b[28:], 411)
	binary.LittleEndian.PutUint16(m.b[60:], flags)
	m.block("HD", make([]int64, 6), le(uint64(start), make([]byte, 24)))
	return m
}

func le(values ...any) (b []byte) {
	for _, v := range values {
		b, _ = binary.Append(b, binary.LittleEndian, v)
	}
	return b
}

func (m *maker) block(kind string, links []int64, data []byte) int64 {
	for len(m.b)%8 != 0 {
		m.b = append(m.b, 0)
	}
	at := int64(len(m.b))
	m.b = append(append(m.b, "##"+kind...), le(uint32(0), uint64(24+8*len(links)+len(data)), uint64(len(links)), links, data)...)
	return at
}

// link sets link i of the block at an address.
func (m *maker) link(at int64, i int, to int64) {
	binary.LittleEndian.PutUint64(m.b[int(at)+24+8*i:], uint64(to))
}

func (m *maker) text(s string) int64 { return m.block("TX", nil, append([]byte(s), 0)) }

// member is a channel: where its bits stand, and what kind it is.
type member struct {
	name              string
	kind, sync, order uint8
	at, bit, bits     int
	data              int64
	cc                []float64 // linear a, b; more values are a table (CC type 5)
}

func (m *maker) channel(c member, next int64, inner int64) int64 {
	cc := int64(0)
	if len(c.cc) > 0 {
		kind := uint8(1)
		if len(c.cc) > 2 {
			kind = 5
		}
		cc = m.block("CC", make([]int64, 4), le(kind, uint8(0), uint16(0), uint16(0), uint16(len(c.cc)), 0.0, 0.0, c.cc))
	}
	links := []int64{next, inner, m.text(c.name), 0, cc, c.data, 0, 0}
	return m.block("CN", links, le(c.kind, c.sync, c.order, uint8(c.bit), uint32(c.at), uint32(c.bits), make([]byte, 60)))
}

// group is a channel group with a time and the members of a frame.
func (m *maker) group(rid uint64, name string, size int, count uint64, time member, members []member) int64 {
	inner := int64(0)
	for _, c := range slices.Backward(members) {
		c.name = name + "." + c.name
		inner = m.channel(c, inner, 0)
	}
	time.kind, time.sync, time.name = 2, 1, "Timestamp"
	owner := m.channel(member{name: name, order: 10, at: 8, bits: 8 * (size - 8)}, 0, inner)
	return m.block("CG", []int64{0, m.channel(time, owner, 0), m.text(name), 0, 0, 0},
		le(rid, count, uint16(6), uint16('.'), uint32(0), uint32(size), uint32(0)))
}

// dataGroup ends the file's list of data groups with one more.
func (m *maker) dataGroup(ridLen uint8, data int64, groups ...int64) {
	for i := 1; i < len(groups); i++ {
		m.link(groups[i-1], 0, groups[i])
	}
	at := m.block("DG", []int64{0, groups[0], data, 0}, le(ridLen, make([]byte, 7)))
	last, i := int64(64), 0
	for to := binary.LittleEndian.Uint64(m.b[last+24:]); to != 0; to = binary.LittleEndian.Uint64(m.b[last+24:]) {
		last = int64(to)
	}
	m.link(last, i, at)
}

// packed is a DZ block, transposed if width is not 0.
func (m *maker) packed(kind string, data []byte, width int) int64 {
	return m.packedBy(0, kind, data, width)
}

// packedBy is packed with a zip type: 0 deflate, 2 Zstandard, 4 LZ4.
func (m *maker) packedBy(zip uint8, kind string, data []byte, width int) int64 {
	turned := data
	if width > 0 {
		zip, turned = zip+1, nil
		rows := len(data) / width
		for j := range width {
			for i := range rows {
				turned = append(turned, data[i*width+j])
			}
		}
		turned = append(turned, data[rows*width:]...)
	}
	var z bytes.Buffer
	var w io.WriteCloser = zlib.NewWriter(&z)
	switch zip / 2 {
	case 1:
		w, _ = zstd.NewWriter(&z)
	case 2:
		w = lz4.NewWriter(&z)
	}
	w.Write(turned)
	w.Close()
	return m.block("DZ", nil, le([]byte(kind), zip, uint8(0), uint32(width), uint64(len(data)), uint64(z.Len()), z.Bytes()))
}

// list is a DL block over blocks.
func (m *maker) list(next int64, blocks ...int64) int64 {
	return m.block("DL", append([]int64{next}, blocks...), le(uint32(0), uint32(len(blocks)), make([]uint64, len(blocks))))
}

// Times of the forms: f64 seconds, f64 ns, whole µs.
var (
	seconds = member{order: 4, bits: 64}
	nanos   = member{order: 4, bits: 64, cc: []float64{0, 1e-9}}
	micros  = member{bits: 48, cc: []float64{0, 1e-6}}
)

// plain are members of a frame of 8 bytes in 24.
func plain() []member {
	return []member{
		{name: "BusChannel", at: 12, bits: 8}, {name: "ID", at: 8, bits: 29}, {name: "IDE", at: 11, bit: 7, bits: 1},
		{name: "DLC", at: 13, bits: 4}, {name: "Dir", at: 13, bit: 4, bits: 1}, {name: "DataLength", at: 14, bits: 7},
		{name: "DataBytes", order: 10, at: 16, bits: 64},
	}
}

// row is a record for plain members.
func row(time any, i int) []byte {
	data := le(uint64(i) * 0x0101010101010101)
	return le(time, uint32(0x100+i), uint8(1+i%2), uint8(8|i%2<<4), uint8(8), uint8(0), data)
}

// line is the frame of row as text.
func line(ns int64, i int) string {
	return fmt.Sprintf("%d %d %03X#%s", ns, 1+i%2, 0x100+i, strings.Repeat(fmt.Sprintf("%02X", i), 8))
}

// frames reads the frames as text.
func frames(t testing.TB, b []byte) (lines []string, report buslog.Report) {
	t.Helper()
	for it, err := range open(t, b).Items(&report) {
		if err != nil {
			t.Fatal(err)
		}
		if it.Type == buslog.Frame {
			text := can.AppendCandump(nil, &can.Event{Frame: it.Frame}, "x")
			lines = append(lines, fmt.Sprintf("%d %d %s", it.Time-start, it.Bus, text[strings.IndexByte(string(text), 'x')+2:]))
		}
	}
	return lines, report
}

// form is a way to lay the same ten frames, a millisecond apart.
func forms() map[string]func() []byte {
	rows := func(time func(i int) any) (all []byte) {
		for i := range 10 {
			all = append(all, row(time(i), i)...)
		}
		return all
	}
	inSeconds := func(i int) any { return float64(i) * 1e-3 }
	inNanos := func(i int) any { return float64(i) * 1e6 }
	one := func(time member, data func(m *maker) int64) []byte {
		m := newMaker(true, 0)
		cg := m.group(0, "CAN_DataFrame", 24, 10, time, plain())
		m.dataGroup(0, data(m), cg)
		return m.b
	}
	return map[string]func() []byte{
		"sorted, seconds": func() []byte {
			return one(seconds, func(m *maker) int64 { return m.block("DT", nil, rows(inSeconds)) })
		},
		"sorted, nanoseconds": func() []byte {
			return one(nanos, func(m *maker) int64 { return m.block("DT", nil, rows(inNanos)) })
		},
		"steps of 1 µs in 48 bits": func() []byte {
			return one(micros, func(m *maker) int64 {
				return m.block("DT", nil, rows(func(i int) any { return uint64(i) * 1000 }))
			})
		},
		"list of parts that cut records": func() []byte {
			return one(nanos, func(m *maker) int64 {
				all := rows(inNanos)
				a, b, c := m.block("DT", nil, all[:50]), m.block("DT", nil, all[50:51]), m.block("DT", nil, all[51:])
				return m.list(m.list(0, c), a, 0, b)
			})
		},
		"deflated": func() []byte {
			return one(nanos, func(m *maker) int64 {
				all := rows(inNanos)
				return m.block("HL", []int64{m.list(0, m.packed("DT", all[:48], 0), m.packed("DT", all[48:], 0))}, make([]byte, 8))
			})
		},
		"transposed": func() []byte {
			return one(nanos, func(m *maker) int64 {
				all := rows(inNanos)
				return m.block("HL", []int64{m.list(0, m.packed("DT", all[:216], 24), m.packed("DT", all[216:], 24))}, make([]byte, 8))
			})
		},
		"Zstandard, then transposed": func() []byte {
			return one(nanos, func(m *maker) int64 {
				all := rows(inNanos)
				return m.block("HL", []int64{m.list(0, m.packedBy(2, "DT", all[:48], 0), m.packedBy(2, "DT", all[48:], 24))}, make([]byte, 8))
			})
		},
		"LZ4, then transposed": func() []byte {
			return one(nanos, func(m *maker) int64 {
				all := rows(inNanos)
				return m.block("HL", []int64{m.list(0, m.packedBy(4, "DT", all[:48], 0), m.packedBy(4, "DT", all[48:], 24))}, make([]byte, 8))
			})
		},
		"transposed in cut rows": func() []byte {
			return one(nanos, func(m *maker) int64 { return m.packed("DT", rows(inNanos), 25) })
		},
		"unsorted, ids of four bytes, beside sensors": func() []byte {
			m := newMaker(true, 0)
			sensor := m.group(70000, "Sensor", 9, 3, nanos, nil)
			cg := m.group(7, "CAN_DataFrame", 24, 10, nanos, plain())
			var all []byte
			for i := range 10 {
				all = append(append(all, le(uint32(7))...), row(float64(i)*1e6, i)...)
				if i < 3 {
					all = append(all, le(uint32(70000), float64(i)*1e6, uint8(i))...)
				}
			}
			m.dataGroup(4, m.block("DT", nil, all), sensor, cg)
			return m.b
		},
		"unfinished, times go back": func() []byte {
			m := newMaker(false, 0x25)
			cg := m.group(1, "CAN_DataFrame", 24, 0, nanos, plain())
			dg := m.group(2, "Unused", 24, 0, nanos, nil)
			m.dataGroup(1, 0, cg, dg)
			var all []byte
			for _, i := range []int{3, 0, 1, 2, 9, 8, 7, 4, 5, 6} {
				all = append(append(all, 1), row(float64(i)*1e6, i)...)
			}
			dt := m.block("DT", nil, nil)
			at := int64(binary.LittleEndian.Uint64(m.b[64+24:]))
			m.link(at, 2, dt)
			m.b = append(m.b, append(all, 1, 2, 3)...) // and a record that is cut
			return m.b
		},
		"one data group for each bus": func() []byte {
			m := newMaker(true, 0)
			for bus := range 2 {
				cg := m.group(0, "CAN_DataFrame", 24, 5, nanos, plain())
				var all []byte
				for i := bus; i < 10; i += 2 {
					all = append(all, row(float64(i)*1e6, i)...)
				}
				m.dataGroup(0, m.block("DT", nil, all), cg)
			}
			return m.b
		},
		"payloads in SD": func() []byte {
			return vlsd(func(m *maker, sd []byte) int64 { return m.block("SD", nil, sd) })
		},
		"payloads in packed SD": func() []byte {
			return vlsd(func(m *maker, sd []byte) int64 {
				return m.block("HL", []int64{m.list(0, m.packed("SD", sd[:30], 0), m.packed("SD", sd[30:], 0))}, make([]byte, 8))
			})
		},
		"payloads of greatest length": func() []byte {
			m := newMaker(true, 0)
			members := plain()
			members[6].kind = 5
			cg := m.group(0, "CAN_DataFrame", 24, 10, nanos, members)
			m.dataGroup(0, m.block("DT", nil, rows(inNanos)), cg)
			return m.b
		},
		"big-endian and constant members": bigEndian,
	}
}

// vlsd is a sorted file with payloads of their own.
func vlsd(sd func(m *maker, sd []byte) int64) []byte {
	m := newMaker(true, 0)
	var all, payloads []byte
	for i := range 10 {
		r := row(float64(i)*1e6, i)
		all = append(append(all, r[:16]...), le(uint64(len(payloads)))...)
		payloads = append(append(payloads, le(uint32(8))...), r[16:]...)
	}
	members := plain()
	members[6].kind, members[6].data = 1, sd(m, payloads)
	cg := m.group(0, "CAN_DataFrame", 24, 10, nanos, members)
	m.dataGroup(0, m.block("DT", nil, all), cg)
	return m.b
}

// bigEndian has identifiers with the most significant byte first, the bus as a
// constant in two groups, and the length by a table.
func bigEndian() []byte {
	m := newMaker(true, 0)
	for bus := range 2 {
		members := []member{
			{name: "BusChannel", kind: 6, cc: []float64{float64(1 + bus), 0}},
			{name: "ID", order: 1, at: 8, bits: 32}, {name: "DLC", at: 12, bits: 4},
			{name: "DataLength", at: 12, bits: 4, cc: []float64{0, 0, 8, 8, 9, 12}},
			{name: "Dir", kind: 6, cc: []float64{float64(bus), 0}},
			{name: "DataBytes", order: 10, at: 16, bits: 64},
		}
		cg := m.group(0, "CAN_DataFrame", 24, 5, nanos, members)
		var all []byte
		for i := bus; i < 10; i += 2 {
			r := row(float64(i)*1e6, i)
			binary.BigEndian.PutUint32(r[8:], uint32(0x100+i))
			r[12] = 8
			all = append(all, r...)
		}
		m.dataGroup(0, m.block("DT", nil, all), cg)
	}
	return m.b
}

func TestTheSameFramesInEveryForm(t *testing.T) {
	var want []string
	for i := range 10 {
		want = append(want, line(int64(i)*1e6, i))
	}
	for name, form := range forms() {
		t.Run(name, func(t *testing.T) {
			got, report := frames(t, form())
			if !slices.Equal(got, want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			if !report.Whole() || report.Late != 0 {
				t.Errorf("%+v", report)
			}
		})
	}
}

func TestRecordsWithoutFramesAreCountedByName(t *testing.T) {
	b := forms()["unsorted, ids of four bytes, beside sensors"]()
	_, report := frames(t, b)
	if report.Raw["Sensor"] != 3 || len(report.Raw) != 1 {
		t.Errorf("%v", report.Raw)
	}
}

func TestADamagedBlockCostsThatBlock(t *testing.T) {
	m := newMaker(true, 0)
	cg := m.group(0, "CAN_DataFrame", 24, 100, nanos, plain())
	var blocks []int64
	for k := range 10 {
		var all []byte
		for i := range 10 {
			all = append(all, row(float64(10*k+i)*1e6, 10*k+i)...)
		}
		blocks = append(blocks, m.packed("DT", all, 24))
	}
	m.dataGroup(0, m.block("HL", []int64{m.list(0, blocks...)}, make([]byte, 8)), cg)
	m.b[blocks[3]+60] ^= 0x55
	got, report := frames(t, m.b)
	if len(got) != 90 || got[30] != line(40e6, 40) || report.Damaged != 1 || report.Lost != 240 {
		t.Errorf("%d frames, %+v", len(got), report)
	}
}

func TestADamagedRecordIDCostsAFewRecords(t *testing.T) {
	m := newMaker(true, 0)
	cg := m.group(1, "CAN_DataFrame", 24, 1000, nanos, plain())
	var all []byte
	for i := range 1000 {
		all = append(append(all, 1), row(float64(i)*1e6, i%200)...)
	}
	all[300*25] = 77
	m.dataGroup(1, m.block("DT", nil, all), cg)
	got, report := frames(t, m.b)
	if len(got) != 999 || report.Damaged != 1 || report.Lost != 25 {
		t.Errorf("%d frames, %+v", len(got), report)
	}
}

func TestATransposedBlockMayClaimAnyWidth(t *testing.T) {
	m := newMaker(true, 0)
	cg := m.group(0, "CAN_DataFrame", 24, 1, nanos, plain())
	dz := m.packed("DT", row(0.0, 0), 24)
	binary.LittleEndian.PutUint32(m.b[dz+28:], 0xFFFFFFFF) // once, that many steps were taken for nothing
	m.dataGroup(0, dz, cg)
	if _, report := frames(t, m.b); report.Frames > 1 {
		t.Errorf("%+v", report)
	}
}

func TestAMemberWithoutBytesIsNotReadBeyondTheRecord(t *testing.T) {
	m := newMaker(true, 0)
	members := plain()
	members[6].kind, members[6].at = 3, 30_000 // a virtual master has no place
	members[1].kind, members[1].at = 3, 30_000
	cg := m.group(0, "CAN_DataFrame", 24, 1, nanos, members)
	m.dataGroup(0, m.block("DT", nil, row(0.0, 0)), cg)
	surviveQuick(t, m.b)
}

func TestBlocksThatAreLinkedAgainAndAgainEnd(t *testing.T) {
	m := newMaker(true, 0)
	cg := m.group(0, "CAN_DataFrame", 24, 0, nanos, plain())
	dt := m.block("DT", nil, row(0.0, 0))
	again := make([]int64, 1000)
	for i := range again {
		again[i] = dt
	}
	dl := m.list(0, again...)
	m.link(dl, 0, dl)
	m.dataGroup(0, dl, cg)
	got, report := frames(t, m.b)
	if len(got) > len(m.b)/24 || report.Damaged == 0 {
		t.Errorf("%d frames from %d bytes, %+v", len(got), len(m.b), report)
	}
}
