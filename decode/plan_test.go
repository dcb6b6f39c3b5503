package decode

import (
	"fmt"
	"testing"

	"canseal/can"
	"canseal/decode/dbc"
)

// file makes a DBC file of messages "number name", of 8 bytes with one signal;
// those whose name begins with J are marked as J1939.
func file(t testing.TB, messages ...string) *dbc.File {
	t.Helper()
	text, marks := "", "BA_DEF_ BO_ \"VFrameFormat\" INT 0 15;\n"
	for _, m := range messages {
		var number uint32
		var name string
		if _, err := fmt.Sscanf(m, "%X %s", &number, &name); err != nil {
			t.Fatal(err)
		}
		if number > 0x7ff {
			number |= 1 << 31
		}
		text += fmt.Sprintf("BO_ %d %s: 8 A\n SG_ S : 0|8@1+ (1,0) [0|0] \"\" A\n", number, name)
		if name[0] == 'J' {
			marks += fmt.Sprintf("BA_ \"VFrameFormat\" BO_ %d 3;\n", number)
		}
	}
	f, warnings := dbc.Parse("x.dbc", []byte(text+marks))
	if len(warnings) > 0 {
		t.Fatal(warnings)
	}
	return f
}

func TestWhichMessageDecodesAFrame(t *testing.T) {
	f := file(t, "123 Standard", "0CF00400 Exact", "0CF004FE JEngine", "18FEF1FE AnyAddress", "18FEF203 JThree", "18FEF200 JZero",
		"18EF1703 JAddressed", "18EFFE04 JOther", "18FEE000 NotMarked")
	for _, c := range []struct {
		id    uint32
		order Order
		want  string
	}{
		{0x123, ExactFirst, "Standard"},
		{0x124, ExactFirst, ""},
		{0x0cf00400, ExactFirst, "Exact"},
		{0x0cf00400, GroupFirst, "JEngine"},
		{0x0cf00401, ExactFirst, "JEngine"},    // another address
		{0x1cf00401, ExactFirst, "JEngine"},    // another priority
		{0x0df00401, ExactFirst, ""},           // another data page
		{0x18fef147, ExactFirst, "AnyAddress"}, // FE stands for any, marked or not
		{0x0cfef203, ExactFirst, "JThree"},
		{0x0cfef200, ExactFirst, "JZero"},
		{0x0cfef2aa, ExactFirst, "JThree"},     // the group, of an address not in the file
		{0x1cef1703, ExactFirst, "JAddressed"}, // PDU1: the destination is no part of the group
		{0x18ef2203, ExactFirst, "JAddressed"},
		{0x18ef2204, ExactFirst, "JOther"},
		{0x18fee000, ExactFirst, "NotMarked"},
		{0x18fee001, ExactFirst, ""},
	} {
		p, err := NewPlan("", []Rule{{File: f}}, PlanOptions{Order: c.order})
		if err != nil {
			t.Fatal(err)
		}
		flags := can.Flags(0)
		if c.id > 0x7ff {
			flags = can.Extended
		}
		got := ""
		if m := p.Message(1, c.id, flags); m != nil {
			got = m.Name
		}
		if got != c.want {
			t.Errorf("%X, order %d: %q, want %q", c.id, c.order, got, c.want)
		}
	}
}

func TestFilesAreForDevicesAndBuses(t *testing.T) {
	rules := []Rule{
		{Device: "A*", Bus: 2, File: file(t, "001 FleetBus2")},
		{Device: "B1", File: file(t, "001 B1")},
		{Bus: 3, File: file(t, "001 Bus3", "002 Bus3Two")},
		{File: file(t, "001 All", "002 AllTwo")},
	}
	for _, c := range []struct {
		device string
		bus    uint8
		id     uint32
		want   string
	}{
		{"A1", 1, 1, "All"}, {"A1", 2, 1, "FleetBus2"}, {"A1", 2, 2, "AllTwo"}, {"A1", 3, 1, "Bus3"},
		{"B1", 1, 1, "B1"}, {"B1", 3, 1, "B1"}, {"B1", 3, 2, "Bus3Two"}, {"C", 2, 1, "All"},
	} {
		p, err := NewPlan(c.device, rules, PlanOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Message(c.bus, c.id, 0).Name; got != c.want {
			t.Errorf("%s, bus %d, %X: %s, want %s", c.device, c.bus, c.id, got, c.want)
		}
	}
	if _, err := NewPlan("A", []Rule{{Device: "["}}, PlanOptions{}); err == nil {
		t.Error("a bad pattern is taken")
	}
}

func TestOnlyWantedMessagesAreInThePlan(t *testing.T) {
	keep := func(m *dbc.Message) bool { return m.Name == "Two" }
	p, err := NewPlan("", []Rule{{File: file(t, "001 One", "002 Two")}}, PlanOptions{Keep: keep})
	if err != nil {
		t.Fatal(err)
	}
	if p.Message(1, 1, 0) != nil || p.Message(1, 2, 0) == nil {
		t.Error("the wrong one is there")
	}
}
