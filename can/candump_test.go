package can

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// at is 2024-12-27 in ns.
const at = 1735270496_916858_000

func data(b ...byte) (d [MaxData]byte) {
	copy(d[:], b)
	return d
}

// lines pairs each kind of frame with its text.
var lines = []struct {
	name  string
	text  string
	event Event
}{
	{"standard", "(1735270496.916858) can0 110#00112233",
		Event{Time: at, Frame: Frame{ID: 0x110, DLC: 4, Len: 4, Data: data(0, 0x11, 0x22, 0x33)}}},
	{"standard identifier with leading zeros", "(1735270496.916858) can0 001#FF",
		Event{Time: at, Frame: Frame{ID: 1, DLC: 1, Len: 1, Data: data(0xff)}}},
	{"extended", "(1735270496.916858) can1 18FEF100#A0A1A2A3A4A5A6A7",
		Event{Time: at, Frame: Frame{ID: 0x18fef100, Flags: Extended, DLC: 8, Len: 8, Data: data(0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7)}}},
	{"extended with a small identifier", "(1735270496.916858) can1 00000001#",
		Event{Time: at, Frame: Frame{ID: 1, Flags: Extended}}},
	{"empty", "(1735270496.916858) vcan0 7FF#", Event{Time: at, Frame: Frame{ID: 0x7ff}}},
	{"raw DLC", "(1735270496.916858) can0 123#1122334455667788_E",
		Event{Time: at, Frame: Frame{ID: 0x123, DLC: 14, Len: 8, Data: data(0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88)}}},
	{"remote", "(1735270496.916858) can0 123#R", Event{Time: at, Frame: Frame{ID: 0x123, Flags: Remote}}},
	{"remote with a length", "(1735270496.916858) can0 123#R4", Event{Time: at, Frame: Frame{ID: 0x123, Flags: Remote, DLC: 4}}},
	{"extended remote with a raw DLC", "(1735270496.916858) can0 1FFFFFFF#R8_9",
		Event{Time: at, Frame: Frame{ID: 0x1fffffff, Flags: Remote | Extended, DLC: 9}}},
	{"FD", "(1735270496.916858) can0 123##4", Event{Time: at, Frame: Frame{ID: 0x123, Flags: FD}}},
	{"FD with both flags", "(1735270496.916858) can0 123##7000102030405060708090A0B",
		Event{Time: at, Frame: Frame{ID: 0x123, Flags: FD | BRS | ESI, DLC: 9, Len: 12, Data: data(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)}}},
	{"FD of 64 bytes, extended", "(1735270496.916858) can0 00ABCDEF##5" + strings.Repeat("00", 63) + "01",
		Event{Time: at, Frame: Frame{ID: 0xabcdef, Flags: FD | BRS | Extended, DLC: 15, Len: 64, Data: [MaxData]byte{63: 1}}}},
	{"error message", "(1735270496.916858) can0 200000A8#0000001900000000",
		Event{Time: at, Frame: Frame{ID: 0xa8, Flags: Error, DLC: 8, Len: 8, Data: data(0, 0, 0, 0x19)}}},
	{"sent", "(1735270496.916858) can0 110#00 T", Event{Time: at, Dir: Tx, Frame: Frame{ID: 0x110, DLC: 1, Len: 1}}},
	{"1970", "(0000000000.000000) can0 110#", Event{Frame: Frame{ID: 0x110}}},
	{"last second", "(9223372035.999999) can0 110#", Event{Time: 9223372035_999999_000, Frame: Frame{ID: 0x110}}},
}

func TestEachKindOfFrameHasOneText(t *testing.T) {
	for _, l := range lines {
		t.Run(l.name, func(t *testing.T) {
			var e Event
			iface, err := ParseCandump([]byte(l.text), &e)
			if err != nil || e != l.event {
				t.Errorf("parsed %+v, %v, want %+v", e, err, l.event)
			}
			if got := string(AppendCandump(nil, &l.event, string(iface))); got != l.text {
				t.Errorf("printed %q, want %q", got, l.text)
			}
			if !l.event.Frame.Valid() {
				t.Error("not valid")
			}
		})
	}
}

func TestVariantsOfOtherProgramsAreRead(t *testing.T) {
	for _, v := range []struct{ name, text, want string }{
		{"nanoseconds of candump -N", "(1735270496.916858123) can0 110#", "(1735270496.916858) can0 110#"},
		{"relative time of candump -t z", "(003.000017) can0 110#", "(0000000003.000017) can0 110#"},
		{"one digit of seconds", "(0.000017) can0 110#", "(0000000000.000017) can0 110#"},
		{"name padded to the longest", "(0000000003.000017)   can0 110#", "(0000000003.000017) can0 110#"},
		{"direction of candump -x", "(0000000003.000017) can0 110#00 R", "(0000000003.000017) can0 110#00"},
		{"lower case", "(0000000003.000017) can0 18feca00#abcdef0123456789_a", "(0000000003.000017) can0 18FECA00#ABCDEF0123456789_A"},
		{"lower case remote", "(0000000003.000017) can0 7fa#r0", "(0000000003.000017) can0 7FA#R"},
		{"FD flags before Linux 5.14", "(0000000003.000017) can0 110##112", "(0000000003.000017) can0 110##512"},
		{"short error message", "(0000000003.000017) can0 20000004#0001", "(0000000003.000017) can0 20000004#0001"},
	} {
		t.Run(v.name, func(t *testing.T) {
			var e Event
			iface, err := ParseCandump([]byte(v.text), &e)
			if err != nil {
				if v.want != "" {
					t.Error(err)
				}
				return
			}
			if got := string(AppendCandump(nil, &e, string(iface))); got != v.want {
				t.Errorf("%q became %q, want %q", v.text, got, v.want)
			}
		})
	}
	var e Event
	if _, err := ParseCandump([]byte("(1735270496.916858123) can0 110#"), &e); err != nil || e.Time != 1735270496_916858123 {
		t.Errorf("nanoseconds: %d, %v", e.Time, err)
	}
}

func TestErrorsNameColumnWantedAndFound(t *testing.T) {
	const zero = "(0000000003.000017) can0 " // 25 bytes
	for _, c := range []struct {
		name, text string
		column     int
		want, got  string
	}{
		{"empty line", "", 1, "( and a time", "the end of the line"},
		{"another program's line", "can0  123   [0]", 1, "( and a time", `"can0  123   [0]"`},
		{"date instead of seconds", "(2024-12-27 03:34:56.916858) can0 110#", 6, "one to ten digits", `"-12-27 03:34:56."`},
		{"negative time", "(-000000003.000017) can0 110#", 2, "one to ten digits", `"-000000003.00001"`},
		{"eleven digits", "(11735270496.916858) can0 110#", 12, "one to ten digits", `"6.916858) can0 1"`},
		{"milliseconds", "(1735270496.916) can0 110#", 16, "six or nine digits", `") can0 110#"`},
		{"seven digits", "(1735270496.9168581) can0 110#", 20, "six or nine digits", `") can0 110#"`},
		{"year 2286", "(9999999999.916858) can0 110#", 2, "before 2262", `"9999999999.91685"`},
		{"year 2286 in ns", "(9999999999.916858000) can0 110#", 2, "before 2262", `"9999999999.91685"`},
		{"a minus among the digits", "(17352704-6.916858) can0 110#", 10, "digits", `"-6.916858) can0 "`},
		{"no interface", "(0000000003.000017)", 20, "a space and the interface", "the end of the line"},
		{"no frame", "(0000000003.000017) can0", 25, "a space and the frame", "the end of the line"},
		{"control character in the name", "(0000000003.000017) c\x00n0 123#", 22, "the frame", `"\x00n0 123#"`},
		{"standard identifier too large", zero + "800#", 26, "an identifier", `"800#"`},
		{"extended identifier too large", zero + "80000000#", 26, "an identifier", `"80000000#"`},
		{"identifier of four digits", zero + "0123#", 26, "an identifier", `"0123#"`},
		{"identifier not hexadecimal", zero + "12G#", 26, "an identifier", `"12G#"`},
		{"CAN XL", zero + "45123#81:00:12345678#11", 26, "an identifier", `"45123#81:00:1234"`},
		{"half a byte", zero + "123#112", 32, "pairs", `"2"`},
		{"no digit", zero + "123#11G2", 32, "pairs", `"G2"`},
		{"separators of the screen form", zero + "123#11.22", 32, "pairs", `".22"`},
		{"nine bytes", zero + "123#112233445566778899", 46, "end of the frame", `"99"`},
		{"65 bytes", zero + "123##4" + strings.Repeat("00", 65), 160, "64 bytes", `"00"`},
		{"FD of nine bytes", zero + "123##4112233445566778899", 32, "0-8, 12, 16", `"1122334455667788"`},
		{"FD without flags", zero + "123##", 31, "FD flags", "the end of the line"},
		{"FD flags unknown", zero + "123##8", 31, "FD flags", `"8"`},
		{"raw DLC of a short frame", zero + "123#11_9", 32, "pairs", `"_9"`},
		{"raw DLC of an FD frame", zero + "123##41122334455667788_9", 48, "pairs", `"_9"`},
		{"raw DLC of an error message", zero + "20000001#1122334455667788_9", 51, "end of the frame", `"_9"`},
		{"raw DLC below 9", zero + "123#1122334455667788_8", 47, "9-F", `"8"`},
		{"raw DLC cut", zero + "123#1122334455667788_", 47, "9-F", "the end of the line"},
		{"remote length above 8", zero + "123#R9", 31, "the end", `"9"`},
		{"raw DLC behind remote 4", zero + "123#R4_9", 32, "end of the frame", `"_9"`},
		{"remote error message", zero + "20000001#R", 35, "pairs", `"R"`},
		{"FD error message", zero + "20000001##4", 35, "pairs", `"#4"`},
		{"text behind the frame", zero + "123#11 X", 32, "pairs", `" X"`},
		{"two directions", zero + "123#11 R T", 32, "pairs", `" R T"`},
		{"carriage return", zero + "123#11\r", 32, "pairs", `"\r"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := Event{Time: 5}
			iface, err := ParseCandump([]byte(c.text), &e)
			var pe *ParseError
			if !errors.As(err, &pe) {
				t.Fatalf("no ParseError but %v", err)
			}
			if pe.Column != c.column || !strings.Contains(pe.Want, c.want) || pe.Got != c.got {
				t.Errorf("%v; want column %d, %q, got %s", err, c.column, c.want, c.got)
			}
			if iface != nil || e != (Event{}) {
				t.Errorf("results beside an error: %q %+v", iface, e)
			}
		})
	}
}

func TestErrorTextNamesTheLineOfALog(t *testing.T) {
	err := &ParseError{Line: 3, Column: 7, Want: "a digit", Got: `"x"`}
	if got, want := err.Error(), `candump text, line 3, column 7: want a digit, got "x"`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// canonical is the grammar of the text that AppendCandump writes, written
// down a second time and without the parser.
var canonical = regexp.MustCompile(`^\([0-9]{10}\.[0-9]{6}\) [^\x00-\x20]+ (?:` +
	`(?:[0-7][0-9A-F]{2}|[01][0-9A-F]{7})#(?:(?:[0-9A-F]{2}){0,8}|[0-9A-F]{16}_[9A-F]|R[1-8]?|R8_[9A-F])|` +
	`[23][0-9A-F]{7}#(?:[0-9A-F]{2}){0,8}|` +
	`(?:[0-7][0-9A-F]{2}|[01][0-9A-F]{7})##[4-7](?:(?:[0-9A-F]{2}){0,8}|[0-9A-F]{24}|[0-9A-F]{32}|[0-9A-F]{40}|[0-9A-F]{48}|[0-9A-F]{64}|[0-9A-F]{96}|[0-9A-F]{128})` +
	`)(?: T)?$`)

// FuzzText goes from text to event and back. Any text that is accepted reads
// the same after printing; canonical text is accepted and comes back byte for
// byte.
func FuzzText(f *testing.F) {
	for _, l := range lines {
		f.Add([]byte(l.text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var e, again Event
		iface, err := ParseCandump(text, &e)
		isCanonical := canonical.Match(text) && string(text[1:11]) <= "9223372035"
		if err != nil {
			if isCanonical {
				t.Errorf("canonical text refused: %q: %v", text, err)
			}
			return
		}
		if !e.Frame.Valid() {
			t.Errorf("%q gave the invalid frame %+v", text, e.Frame)
		}
		printed := AppendCandump(nil, &e, string(iface))
		if !canonical.Match(printed) {
			t.Errorf("%q printed as %q, which is not canonical", text, printed)
		}
		if isCanonical && string(printed) != string(text) {
			t.Errorf("%q printed as %q", text, printed)
		}
		e.Time -= e.Time % 1000
		if name, err := ParseCandump(printed, &again); err != nil || again != e || string(name) != string(iface) {
			t.Errorf("%q read back as %q %+v, %v, want %q %+v", printed, name, again, err, iface, e)
		}
	})
}

// FuzzEvent goes from event to text and back, with every combination of flags.
func FuzzEvent(f *testing.F) {
	for flags := range 64 {
		f.Add(int64(at), uint32(0x18fef1a5), uint8(flags), uint8(flags%16), false, []byte("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+-"))
	}
	f.Fuzz(func(t *testing.T, ns int64, id uint32, flags, dlc uint8, sent bool, payload []byte) {
		e := event(ns, id, flags, dlc, sent, payload)
		checkEvent(t, e)
	})
}

func TestEventsComeBackFromText(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	payload := make([]byte, MaxData)
	for i := range 20000 {
		for j := range payload {
			payload[j] = byte(r.Uint32())
		}
		checkEvent(t, event(r.Int64(), r.Uint32(), uint8(i), uint8(r.Uint32()), r.Uint32()&1 == 1, payload))
	}
}

// event makes a valid event of any numbers.
func event(ns int64, id uint32, flags, dlc uint8, sent bool, payload []byte) Event {
	kinds := [...]Flags{0, Remote, Error, FD, FD | BRS, FD | ESI, FD | BRS | ESI, 0}
	f := Frame{ID: id & 0x7ff, Flags: kinds[flags%8], DLC: dlc % 16}
	if flags/8%2 == 1 && !f.Is(Error) {
		f.Flags |= Extended
	}
	if f.Flags&(Extended|Error) != 0 {
		f.ID = id & 0x1fffffff
	}
	if f.Is(Error) {
		f.DLC %= 9
	}
	if !f.Is(Remote) {
		f.Len = uint8(Length(f.DLC, f.Is(FD)))
	}
	copy(f.Data[:f.Len], payload)
	ns &= 1<<63 - 1
	e := Event{Time: min(ns-ns%1000, lastSecond*1_000_000_000), Frame: f}
	if sent {
		e.Dir = Tx
	}
	return e
}

func checkEvent(t *testing.T, e Event) {
	t.Helper()
	var back Event
	text := AppendCandump([]byte("kept "), &e, "vcan12")
	iface, err := ParseCandump(text[5:], &back)
	if !e.Frame.Valid() || err != nil || back != e || string(iface) != "vcan12" || string(text[:5]) != "kept " {
		t.Fatalf("%+v (valid: %v) printed as %q and came back as %+v, %v", e, e.Frame.Valid(), text, back, err)
	}
	if !canonical.Match(text[5:]) {
		t.Fatalf("%q is not canonical", text)
	}
}

func TestTimesBefore1970HaveNoTextThatCouldBeTakenForAnother(t *testing.T) {
	e := Event{Time: -1_500_000_000}
	text := AppendCandump(nil, &e, "can0")
	if want := "(-0000000001.500000) can0 000#"; string(text) != want {
		t.Errorf("%s, want %s", text, want)
	}
	if _, err := ParseCandump(text, &e); err == nil {
		t.Error("accepted")
	}
}

func TestRealLogsComeBackByteForByte(t *testing.T) {
	const folder = "../../shared/samples/candump"
	logs, _ := filepath.Glob(folder + "/*.log")
	if len(logs) == 0 {
		t.Skipf("no logs of real vehicles in %s: TestRealLogsComeBackByteForByte not run", folder)
	}
	for _, name := range logs {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for line := range strings.Lines(string(text)) {
			n++
			var e Event
			iface, err := ParseCandump([]byte(strings.TrimSuffix(line, "\n")), &e)
			if err != nil {
				t.Fatalf("%s:%d: %v", name, n, err)
			}
			if got := string(AppendCandump(nil, &e, string(iface))) + "\n"; got != line {
				t.Fatalf("%s:%d: %q came back as %q", name, n, line, got)
			}
		}
		t.Logf("%s: %d lines", filepath.Base(name), n)
	}
}

func TestNothingIsAllocated(t *testing.T) {
	buf := make([]byte, 0, 256)
	for _, l := range lines {
		text, e := []byte(l.text), Event{}
		if n := testing.AllocsPerRun(100, func() {
			ParseCandump(text, &e)
			buf = AppendCandump(buf[:0], &e, "can0")
		}); n != 0 {
			t.Errorf("%s: %v allocations", l.name, n)
		}
	}
}
