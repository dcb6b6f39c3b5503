package mdfcheck

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// faults are files with one fault each, and the name it has to be found by.
var faults = []struct {
	name  string // what is wrong
	want  string // rule that has to be named
	file  func() *file
	spoil func(f *file)
}{
	{"a foreign file", "identification", unsorted, func(f *file) { f.set("ID", 0, []byte("RIFF")) }},
	{"a file of MDF 3", "version text", unsorted, func(f *file) { f.set("ID", 8, []byte("3.30")) }},
	{"another version number", "version", unsorted, func(f *file) { f.set("ID", 28, uint16(410)) }},
	{"a finalised file with flags", "unfinalised flags", unsorted, func(f *file) { f.set("ID", 60, uint16(1)) }},
	{"an unfinalised file without flags", "unfinalised flags", live, func(f *file) { f.set("ID", 60, uint16(0)) }},
	{"an unknown flag", "unfinalised flags", live, func(f *file) { f.set("ID", 60, uint16(0x85)) }},
	{"custom flags", "custom flags", live, func(f *file) { f.set("ID", 62, uint16(1)) }},
	{"a file that ends in HD", "address", unsorted, func(f *file) { f.b = f.b[:80] }},

	{"a crooked link", "alignment", unsorted, func(f *file) { f.set("Short", 24+8, f.at["Timestamp"]+4) }},
	{"a link into ID", "address", unsorted, func(f *file) { f.set("HD", 24, int64(32)) }},
	{"a link behind the end", "address", unsorted, func(f *file) { f.set("HD", 24, int64(1<<40)) }},
	{"a negative link", "address", unsorted, func(f *file) { f.set("HD", 24, int64(math.MinInt64)) }},
	{"an unknown block", "block id", unsorted, func(f *file) { f.set("SI", 2, []byte("XX")) }},
	{"no block marks", "block id", unsorted, func(f *file) { f.set("SI", 0, []byte("//")) }},
	{"reserved bytes used", "reserved", unsorted, func(f *file) { f.set("SI", 4, uint32(1)) }},
	{"a short block", "length", unsorted, func(f *file) { f.set("CAN_DataFrame", 8, uint64(152)) }},
	{"a length of 2^63", "length", unsorted, func(f *file) { f.set("CAN_DataFrame", 8, uint64(1)<<63) }},
	{"a text behind the end", "length", unsorted, func(f *file) { f.set("TX Rx", 8, uint64(1<<30)) }},
	{"too few links", "link count", unsorted, func(f *file) { f.set("FH", 16, uint64(1)) }},
	{"2^60 links", "link count", unsorted, func(f *file) { f.set("CC text", 16, uint64(1)<<60) }},
	{"a link to a block of another kind", "link", unsorted, func(f *file) { f.link("Short", 1, "FHcomment") }},
	{"a data group that is a text", "link", unsorted, func(f *file) { f.link("HD", 0, "HDcomment") }},
	{"a history that is a text", "link", unsorted, func(f *file) { f.link("HD", 1, "HDcomment") }},
	{"a channel group that is a text", "link", unsorted, func(f *file) { f.link("DG", 1, "HDcomment") }},
	{"a member that is a text", "link", unsorted, func(f *file) { f.link("CAN_DataFrame", 1, "HDcomment") }},
	{"a conversion that is a text", "link", unsorted, func(f *file) { f.link("Timestamp", 4, "HDcomment") }},
	{"data that is a channel", "link", unsorted, func(f *file) { f.link("DG", 2, "Timestamp") }},
	{"a list that is a text", "link", sorted, func(f *file) { f.link("HL", 0, "HDcomment") }},
	{"a link where none may be", "link", unsorted, func(f *file) { f.link("HD", 4, "HDcomment") }},
	{"overlapping blocks", "overlap", unsorted, func(f *file) { f.set("TX Rx", 8, uint64(40)) }},
	{"a block nobody links to", "unreached bytes", unsorted, func(f *file) { f.set("HD", 24+8*5, int64(0)) }},
	{"bytes behind the last block", "unreached bytes", unsorted, func(f *file) { f.b = append(f.b, make([]byte, 16)...) }},
	{"padding that is not zero", "padding", unsorted, func(f *file) { f.set("HDcomment", 24+29, uint8(7)) }},
	{"two lists that meet", "linked twice", sorted, func(f *file) { f.link("DG 2", 1, "Short") }},
	{"a list that loops", "linked twice", unsorted, func(f *file) { f.link("VLSD", 0, "Short") }},
	{"an open DT that is not last", "open DT", live, func(f *file) { f.block("late", "TX", nil, []byte("a\x00")); f.link("CC time", 0, "late") }},

	{"text without an end", "text end", unsorted, func(f *file) { f.set("TX Rx", 26, []byte("x")) }},
	{"text that is no UTF-8", "text", unsorted, func(f *file) { f.set("TX Rx", 24, []byte{0xFF}) }},
	{"broken XML", "xml", unsorted, func(f *file) { f.set("HDcomment", 24, []byte("<HDcommend>")) }},
	{"two XML roots", "xml", unsorted, func(f *file) { f.set("HDcomment", 24, []byte("<HDcomment></HDcomment><TX/> ")) }},
	{"another root", "comment", unsorted, func(f *file) { f.link("HD", 5, "SIcomment") }},
	{"a history without a tool", "comment", unsorted, func(f *file) {
		f.set("FHcomment", 24, bytes.Replace(f.b[f.at["FHcomment"]+24:][:100], []byte("tool_id"), []byte("tool_ix"), 2))
	}},
	{"no history", "history", unsorted, func(f *file) { f.set("HD", 32, int64(0)) }},
	{"a history without a comment", "history", unsorted, func(f *file) { f.set("FH", 32, int64(0)) }},
	{"time flags", "time flags", unsorted, func(f *file) { f.data("HD", 12, uint8(4)) }},
	{"clock class", "clock class", unsorted, func(f *file) { f.data("HD", 13, uint8(1)) }},

	{"a record id of 3 bytes", "record id size", unsorted, func(f *file) { f.data("DG", 0, uint8(3)) }},
	{"two groups without record ids", "sorted", unsorted, func(f *file) { f.data("DG", 0, uint8(0)) }},
	{"the same record id twice", "record id", unsorted, func(f *file) { f.data("Long", 0, uint64(1)) }},
	{"a record id too large", "record id", unsorted, func(f *file) { f.data("Long", 0, uint64(256)) }},
	{"no channel group", "channel group", unsorted, func(f *file) { f.set("DG", 32, int64(0)) }},
	{"unknown group flags", "group flags", unsorted, func(f *file) { f.data("Short", 16, uint16(0x26)) }},
	{"plain bus event without bus event", "group flags", unsorted, func(f *file) { f.data("Short", 16, uint16(4)) }},
	{"a VLSD group with channels", "VLSD group", unsorted, func(f *file) { f.data("Short", 16, uint16(1)) }},
	{"records of no bytes", "record size", unsorted, func(f *file) { f.data("Short", 24, uint32(0)) }},
	{"no source", "source", unsorted, func(f *file) { f.set("Short", 48, int64(0)) }},
	{"a source that is no bus", "source", unsorted, func(f *file) { f.data("SI", 0, uint8(1)) }},
	{"no acquisition name", "acquisition name", unsorted, func(f *file) { f.set("Short", 40, int64(0)) }},
	{"no path separator", "path separator", unsorted, func(f *file) { f.data("Short", 18, uint16(0)) }},
	{"no frame channel", "bus event", unsorted, func(f *file) { f.set("Timestamp", 24, int64(0)) }},
	{"a frame without members", "member", unsorted, func(f *file) { f.set("CAN_DataFrame", 32, int64(0)) }},
	{"no member Dir", "member", unsorted, func(f *file) { f.set("TX CAN_DataFrame.Dir", 24+14, []byte("dir")) }},
	{"a member of another name", "member name", unsorted, func(f *file) { f.set("TX CAN_DataFrame.Dir", 24, []byte("X")) }},
	{"a frame without its flag", "bus event flag", unsorted, func(f *file) { f.data("CAN_DataFrame", 12, uint32(0)) }},
	{"a member without its flag", "bus event flag", unsorted, func(f *file) { f.data("CAN_DataFrame.ID", 12, uint32(8)) }},

	{"no master", "master", unsorted, func(f *file) { f.data("Timestamp", 0, uint8(0)) }},
	{"a master of no time", "master", unsorted, func(f *file) { f.data("Timestamp", 1, uint8(2)) }},
	{"a master by a table", "master", unsorted, func(f *file) { f.link("Timestamp", 4, "CC table") }},
	{"channel type", "channel type", unsorted, func(f *file) { f.data("CAN_DataFrame.ID", 0, uint8(9)) }},
	{"sync type", "sync type", unsorted, func(f *file) { f.data("CAN_DataFrame.ID", 1, uint8(9)) }},
	{"data type", "data type", unsorted, func(f *file) { f.data("CAN_DataFrame.ID", 2, uint8(11)) }},
	{"bit offset", "bit offset", unsorted, func(f *file) { f.data("CAN_DataFrame.ID", 3, uint8(8)) }},
	{"an integer of 65 bits", "bit count", unsorted, func(f *file) { f.data("CAN_DataFrame.ID", 8, uint32(65)) }},
	{"a float of 48 bits", "bit count", unsorted, func(f *file) { f.data("Timestamp", 8, uint32(48)) }},
	{"half a byte of bytes", "bit count", unsorted, func(f *file) { f.data("CAN_DataFrame.DataBytes", 8, uint32(60)) }},
	{"bits in a virtual channel", "bit count", unsorted, func(f *file) { f.data("CAN_DataFrame.BusChannel", 8, uint32(8)) }},
	{"bits behind the record", "bits", unsorted, func(f *file) { f.data("CAN_DataFrame.DataBytes", 4, uint32(17)) }},
	{"a member outside of its frame", "bits", unsorted, func(f *file) { f.data("CAN_DataFrame.Dir", 4, uint32(2)) }},
	{"members that overlap", "channel overlap", unsorted, func(f *file) { f.data("CAN_DataFrame.Dir", 3, uint8(4)) }},
	{"attachments", "attachments", unsorted, func(f *file) { f.data("CAN_DataFrame.ID", 22, uint16(1)) }},
	{"a channel without a name", "channel name", unsorted, func(f *file) { f.set("CAN_DataFrame.ID", 40, int64(0)) }},
	{"members of members", "composition", unsorted, func(f *file) { f.link("CAN_DataFrame.Dir", 1, "CAN_DataFrame") }},
	{"VLSD without content", "VLSD channel", sorted, func(f *file) { f.data("CAN_DataFrame.DataBytes", 0, uint8(1)) }},
	{"content of a fixed channel", "channel data", sorted, func(f *file) { f.link("CAN_DataFrame.ID", 5, "SD") }},

	{"an unknown conversion", "conversion", unsorted, func(f *file) { f.data("CC time", 0, uint8(9)) }},
	{"a count of values", "conversion", unsorted, func(f *file) { f.data("CC time", 6, uint16(3)) }},
	{"a count of texts", "conversion", unsorted, func(f *file) { f.data("CC text", 4, uint16(2)) }},
	{"texts without a default", "conversion", unsorted, func(f *file) { f.data("CC text", 0, uint8(1)) }},
	{"a value that is no number", "conversion", unsorted, func(f *file) { f.data("CC time", 24, math.NaN()) }},
	{"keys of texts in disorder", "conversion keys", unsorted, func(f *file) { f.data("CC text", 24, 1.0) }},
	{"keys of a table in disorder", "conversion keys", unsorted, func(f *file) { f.data("CC table", 24, 8.0) }},

	{"a record of no group", "record", unsorted, func(f *file) { f.data("DT", 25, uint8(9)) }},
	{"zeros for records", "record", live, func(f *file) { f.b = append(f.b[:len(f.b)-3], make([]byte, 90)...) }},
	{"half a record", "record", unsorted, func(f *file) { f.set("DT", 8, uint64(24+24)); f.b = f.b[:f.at["DT"]+48] }},
	{"half a row", "record", sorted, func(f *file) { f.set("DT", 8, uint64(24+236)) }},
	{"a count", "cycle count", unsorted, func(f *file) { f.data("Short", 8, uint64(6)) }},
	{"a count of rows", "cycle count", sorted, func(f *file) { f.data("Short", 8, uint64(19)) }},
	{"bytes of a VLSD group", "VLSD size", unsorted, func(f *file) { f.data("VLSD", 24, uint32(11)) }},
	{"a list of three with two parts", "data list", sorted, func(f *file) { f.data("DL", 4, uint32(3)) }},
	{"an offset of a part", "data list", sorted, func(f *file) { f.data("DL", 16, uint64(250)) }},
	{"a part that is no data", "link", sorted, func(f *file) { f.link("DL", 2, "SIcomment") }},
	{"packed size", "packed block", sorted, func(f *file) { f.data("DZ 2", 8, uint64(241)) }},
	{"packed size of 2^60", "packed block", sorted, func(f *file) { f.data("DZ 2", 8, uint64(1)<<60) }},
	{"packed length", "packed block", sorted, func(f *file) { f.data("DZ 2", 16, uint64(3)) }},
	{"packed garbage", "packed block", sorted, func(f *file) { f.data("DZ 2", 24, uint64(3)) }},
	{"a way of packing", "packed block", sorted, func(f *file) { f.data("DZ 1", 2, uint8(2)) }},
	{"packed what", "packed block", sorted, func(f *file) { f.data("DZ 1", 0, []byte("XX")) }},
	{"no columns", "packed block", sorted, func(f *file) { f.data("DZ 1", 4, uint32(0)) }},
}

func TestEveryPlantedFaultIsFoundByName(t *testing.T) {
	for _, c := range faults {
		t.Run(c.name, func(t *testing.T) {
			f := c.file()
			c.spoil(f)
			rep, err := check(f)
			if err == nil || !slices.ContainsFunc(rep.Problems, func(p Problem) bool { return p.Name == c.want }) {
				t.Errorf("want %q, got %v", c.want, err)
			}
			for _, p := range rep.Problems {
				if p.Want == "" || p.Offset < 0 && p.Name != "address" {
					t.Errorf("a problem without a place: %v", p)
				}
			}
		})
	}
}

// TestEveryRuleHasAFault keeps the table complete.
func TestEveryRuleHasAFault(t *testing.T) {
	tested := map[string]bool{}
	for _, c := range faults {
		tested[c.want] = true
	}
	for _, rule := range rules(t) {
		if !tested[rule] && !slices.Contains([]string{"size", "source type", "bus type"}, rule) {
			t.Errorf("no fault for rule %q", rule)
		}
	}
}

func FuzzCheck(f *testing.F) {
	for _, file := range []*file{unsorted(), live(), sorted()} {
		f.Add(file.b, 70, uint64(1)<<40)
	}
	f.Fuzz(func(t *testing.T, data []byte, at int, value uint64) {
		data = slices.Clone(data)
		if at >= 0 && at < len(data) {
			copy(data[at:], le(value))
		}
		rep, err := Check(bytes.NewReader(data), int64(len(data)))
		if (err == nil) != (len(rep.Problems) == 0) {
			t.Fatalf("%v with %d problems", err, len(rep.Problems))
		}
		Dump(&bytes.Buffer{}, bytes.NewReader(data), int64(len(data)))
	})
}

func TestFilesOnDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.MF4")
	if err := os.WriteFile(path, sorted().b, 0o600); err != nil {
		t.Fatal(err)
	}
	if rep, err := File(path); err != nil || !rep.Finalised || rep.Groups[0].Records != 20 {
		t.Errorf("%+v, %v", rep, err)
	}
	if _, err := File(path + "x"); !os.IsNotExist(err) {
		t.Errorf("no file: %v", err)
	}
}
