package buslog_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// stored is an unsorted file whose frames of two buses have payloads as records
// of their own: groups 1 and 2 are frames, 3 and 4 their payloads. Damage gets
// the records, as they begin with frame i.
func stored(n int, damage func(records []byte, begin []int) []byte) []byte {
	m := newMaker(true, 0)
	var frames, payloads []int64
	for bus := range 2 {
		of := m.block("CG", make([]int64, 6), le(uint64(3+bus), uint64(n/2), uint16(1), uint16(0), uint32(0), uint32(0), uint32(0)))
		members := plain()
		members[6].kind, members[6].data = 1, of
		frames = append(frames, m.group(uint64(1+bus), "CAN_DataFrame", 24, uint64(n/2), nanos, members))
		payloads = append(payloads, of)
	}
	var all []byte
	var begin []int
	var at [2]uint64
	for i := range n {
		begin = append(begin, len(all))
		r, bus := row(float64(i)*1e6, i%200), i%2
		size := 1 + i%8
		r[13], r[14] = uint8(size|i%2<<4), uint8(size)
		all = append(append(append(all, uint8(1+bus)), r[:16]...), le(at[bus])...)
		all = append(append(append(all, uint8(3+bus)), le(uint32(size))...), r[16:16+size]...)
		at[bus] += uint64(4 + size)
	}
	m.dataGroup(1, m.block("DT", nil, damage(all, begin)), append(frames, payloads...)...)
	return m.b
}

func TestEveryGroupFindsItsPayloadsAgainAfterDamage(t *testing.T) {
	const n = 2000
	for name, damage := range map[string]func(all []byte, begin []int) []byte{
		"a record id":     func(all []byte, begin []int) []byte { all[begin[700]] = 77; return all },
		"records missing": func(all []byte, begin []int) []byte { return slices.Delete(all, begin[700]+9, begin[731]+30) },
		"rubbish": func(all []byte, begin []int) []byte {
			return slices.Replace(all, begin[700]+3, begin[720], bytes.Repeat([]byte{0xfe}, 999)...)
		},
	} {
		got, report := frames(t, stored(n, damage))
		if len(got) < n-60 || report.Whole() {
			t.Errorf("%s: %d frames, %+v", name, len(got), report)
		}
		wrong := 0
		for _, line := range got {
			var ns, i int64
			var bus, id int
			var data string
			fmt.Sscanf(strings.Replace(line, "#", " ", 1), "%d %d %X %s", &ns, &bus, &id, &data)
			i = ns / 1e6
			if data != strings.Repeat(fmt.Sprintf("%02X", i%200), 1+int(i)%8) {
				wrong++
			}
		}
		if wrong > 1 { // of the record that the damage has made of two
			t.Errorf("%s: %d frames have the data of others", name, wrong)
		}
	}
	if got, report := frames(t, stored(n, func(all []byte, _ []int) []byte { return all })); len(got) != n || !report.Whole() {
		t.Errorf("whole: %d frames, %+v", len(got), report)
	}
}
