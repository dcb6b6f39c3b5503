package mdfcheck

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
)

// file is a small MDF file whose blocks have names, so that a test can spoil
// one of them.
type file struct {
	b     []byte
	at    map[string]int64
	links map[string]int // number of links of a block
}

func newFile() *file {
	return &file{b: make([]byte, 64+104), at: map[string]int64{"ID": 0}, links: map[string]int{}}
}

func le(values ...any) []byte {
	var b []byte
	for _, v := range values {
		b, _ = binary.Append(b, binary.LittleEndian, v)
	}
	return b
}

// block appends a block; links are names of blocks, empty for none.
func (f *file) block(name, id string, links []string, data []byte) string {
	for len(f.b)%8 != 0 {
		f.b = append(f.b, 0)
	}
	f.at[name], f.links[name] = int64(len(f.b)), len(links)
	f.b = append(f.b, f.encode(id, links, data)...)
	return name
}

func (f *file) encode(id string, links []string, data []byte) []byte {
	b := append([]byte("##"+id), le(uint32(0), uint64(24+8*len(links)+len(data)), uint64(len(links)))...)
	for _, l := range links {
		if _, ok := f.at[l]; !ok && l != "" {
			panic("no block " + l)
		}
		b = append(b, le(f.at[l])...)
	}
	return append(b, data...)
}

func (f *file) text(s string) string { return f.block("TX "+s, "TX", nil, append([]byte(s), 0)) }

func (f *file) xml(name, s string) string { return f.block(name, "MD", nil, append([]byte(s), 0)) }

// channel appends a CN block; what is empty is linked to nothing.
type channel struct {
	name                            string
	next, members, conversion, data string
	kind, sync, typ, bit            uint8
	at, bits, flags                 uint32
}

func (f *file) channel(c channel) string {
	links := []string{c.next, c.members, f.text(c.name), "", c.conversion, c.data, "", ""}
	return f.block(c.name, "CN", links, le(c.kind, c.sync, c.typ, c.bit, c.at, c.bits, c.flags,
		uint32(0), uint8(0), uint8(0), uint16(0), [6]float64{}))
}

// frameGroup appends a group of frames with 8 bytes, or with VLSD data of a block.
func (f *file) frameGroup(name, next, data string, id uint64, cycles int) string {
	const bus = 0x400
	payload := channel{name: "CAN_DataFrame.DataBytes", typ: 10, at: 16, bits: 64, flags: bus}
	if data != "" {
		payload.kind, payload.typ, payload.data = 1, 10, data
	}
	members := []channel{
		{name: "CAN_DataFrame.BusChannel", conversion: "CC constant", kind: 6, flags: bus},
		{name: "CAN_DataFrame.ID", at: 8, bits: 29, flags: bus},
		{name: "CAN_DataFrame.Dir", at: 11, bit: 7, bits: 1, flags: bus, conversion: "CC text"},
		{name: "CAN_DataFrame.DLC", at: 12, bits: 4, flags: bus},
		{name: "CAN_DataFrame.DataLength", at: 12, bits: 4, flags: bus, conversion: "CC table"},
		payload,
	}
	var first string
	for i := range members {
		c := members[len(members)-1-i]
		c.next = first
		first = f.channel(c)
	}
	frame := f.channel(channel{name: "CAN_DataFrame", members: first, typ: 10, at: 8, bits: 128, flags: bus})
	master := f.channel(channel{name: "Timestamp", next: frame, conversion: "CC time", kind: 2, sync: 1, typ: 4, bits: 64})
	return f.block(name, "CG", []string{next, master, f.text(name), "SI", "", ""},
		le(id, uint64(cycles), uint16(6), uint16('.'), uint32(0), uint32(24), uint32(0)))
}

// common appends what all files have.
func (f *file) common() {
	f.xml("HDcomment", "<HDcomment><TX/></HDcomment>")
	f.xml("FHcomment", "<FHcomment><TX/><tool_id>a</tool_id><tool_vendor>b</tool_vendor><tool_version>c</tool_version></FHcomment>")
	f.block("FH", "FH", []string{"", "FHcomment"}, le(uint64(1), [8]uint8{}))
	f.xml("SIcomment", `<SIcomment><TX>CAN</TX><bus name="CAN"/></SIcomment>`)
	f.block("SI", "SI", []string{f.text("CAN"), "", "SIcomment"}, le(uint8(2), uint8(2), [6]uint8{}))
	f.conversion("CC time", 1, nil, 0, 1e-9)
	f.conversion("CC constant", 1, nil, 1, 0)
	f.conversion("CC table", 5, nil, 0, 0, 8, 8, 9, 12)
	f.conversion("CC text", 7, []string{f.text("Rx"), f.text("Tx"), f.text("reserved")}, 0, 1)
}

func (f *file) conversion(name string, kind uint8, texts []string, values ...float64) {
	f.block(name, "CC", append([]string{"", "", "", ""}, texts...),
		le(kind, uint8(0), uint16(0), uint16(len(texts)), uint16(len(values)), 0.0, 0.0, values))
}

// finish writes HD and ID.
func (f *file) finish(dg, id string, flags uint16) *file {
	f.at["HD"], f.links["HD"] = 64, 6
	copy(f.b[64:], f.encode("HD", []string{dg, "FH", "", "", "", "HDcomment"}, le(uint64(1), [8]uint8{}, 0.0, 0.0)))
	copy(f.b, id+"4.11    test")
	copy(f.b[28:], le(uint16(411)))
	copy(f.b[60:], le(flags))
	return f
}

// frame is a record of 24 bytes.
func frame(i int) []byte { return le(float64(i*1000), uint32(i), uint32(8), uint64(i)) }

// unsorted is a finalised file of two groups of frames, one with VLSD data.
func unsorted() *file {
	f := newFile()
	f.common()
	f.block("VLSD", "CG", []string{"", "", "", "", "", ""},
		le(uint64(3), uint64(4), uint16(1), uint16(0), uint32(0), uint32(10), uint32(0)))
	f.frameGroup("Long", "VLSD", "VLSD", 2, 4)
	f.frameGroup("Short", "Long", "", 1, 5)
	var records []byte
	for i := range 5 {
		records = append(append(records, 1), frame(i)...)
		if i < 4 {
			records = append(append(records, 2), frame(i)...)
			records = append(append(records, 3), le(uint32(i+1), make([]uint8, i+1))...)
		}
	}
	dt := len(f.b)
	dt += (8-dt%8)%8 + 64
	f.at["DT"] = int64(dt)
	f.block("DG", "DG", []string{"", "Short", "DT", ""}, le(uint8(1), [7]uint8{}))
	f.block("DT", "DT", nil, records)
	return f.finish("DG", "MDF     ", 0)
}

// live is the file of unsorted before it was finalised, with part of a record
// at its end.
func live() *file {
	f := unsorted()
	f.set("DT", 8, uint64(24))
	for _, g := range []string{"Short", "Long", "VLSD"} {
		f.set(g, 80, uint64(0))
	}
	f.set("VLSD", 96, uint64(0))
	f.b = append(f.b, 1, 2, 3)
	return f.finish("DG", "UnFinMF ", 0x25)
}

// sorted is a finalised file with packed and listed data.
func sorted() *file {
	f := newFile()
	f.common()
	var rows, sd []byte
	for i := range 10 {
		rows = append(rows, frame(i)...)
		sd = append(sd, le(uint32(2), uint16(i))...)
	}
	f.block("SD", "SD", nil, sd)
	f.frameGroup("Long", "", "SD", 0, 10)
	f.block("DT", "DT", nil, rows)
	f.block("DG 2", "DG", []string{"", "Long", "DT", ""}, make([]byte, 8))

	f.frameGroup("Short", "", "", 0, 20)
	f.packed("DZ 1", rows, 1)
	f.packed("DZ 2", rows, 0)
	f.block("DL", "DL", []string{"", "DZ 1", "DZ 2"}, le([4]uint8{}, uint32(2), uint64(0), uint64(240)))
	f.block("HL", "HL", []string{"DL"}, le(uint16(0), uint8(1), [5]uint8{}))
	f.block("DG", "DG", []string{"DG 2", "Short", "HL", ""}, make([]byte, 8))
	return f.finish("DG", "MDF     ", 0)
}

// packed appends a DZ block of rows of 24 bytes.
func (f *file) packed(name string, rows []byte, zip uint8) {
	in := rows
	if zip == 1 {
		in = nil
		for column := range 24 {
			for at := column; at < len(rows); at += 24 {
				in = append(in, rows[at])
			}
		}
	}
	var z bytes.Buffer
	w := zlib.NewWriter(&z)
	w.Write(in)
	w.Close()
	f.block(name, "DZ", nil, append(append([]byte("DT"), le(zip, uint8(0), uint32(24), uint64(len(in)), uint64(z.Len()))...), z.Bytes()...))
}

// set overwrites bytes of a block.
func (f *file) set(name string, offset int, values ...any) {
	at, ok := f.at[name]
	if !ok {
		panic("no block " + name)
	}
	copy(f.b[at+int64(offset):], le(values...))
}

// link makes a link of a block lead somewhere else.
func (f *file) link(name string, i int, to string) { f.set(name, 24+8*i, f.at[to]) }

// data overwrites bytes of a block behind its links.
func (f *file) data(name string, offset int, values ...any) {
	f.set(name, 24+8*f.links[name]+offset, values...)
}

func check(f *file) (Report, error) { return Check(bytes.NewReader(f.b), int64(len(f.b))) }

func TestGoodFilesPass(t *testing.T) {
	for name, c := range map[string]struct {
		f        *file
		records  []uint64
		trailing int64
	}{
		"unsorted": {unsorted(), []uint64{5, 4, 4}, 0},
		"live":     {live(), []uint64{5, 4, 4}, 3},
		"sorted":   {sorted(), []uint64{20, 10}, 0},
	} {
		rep, err := check(c.f)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var got []uint64
		for _, g := range rep.Groups {
			got = append(got, g.Records)
		}
		if !slices.Equal(got, c.records) || rep.Trailing != c.trailing {
			t.Errorf("%s: records %v, trailing %d", name, got, rep.Trailing)
		}
	}
}

func TestDumpShowsEveryRecord(t *testing.T) {
	for name, f := range map[string]*file{"unsorted": unsorted(), "live": live(), "sorted": sorted()} {
		var b bytes.Buffer
		if err := Dump(&b, bytes.NewReader(f.b), int64(len(f.b))); err != nil {
			t.Fatal(err)
		}
		for i := range 4 {
			if line := fmt.Sprintf("  Short Timestamp=%d BusChannel=virtual ID=%d Dir=\"Rx\" DLC=8 DataLength=8", i*1000, i); !bytes.Contains(b.Bytes(), []byte(line)) {
				t.Errorf("%s: no line %q in\n%s", name, line, b.String())
			}
		}
	}
}
