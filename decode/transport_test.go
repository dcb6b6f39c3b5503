package decode

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	"canseal/can"
	"canseal/internal/samples"
)

func TestLongMessagesOfTheLogsAreThoseThatOtherProgramsPutTogether(t *testing.T) {
	var logs []logFacts
	samples.JSON(t, "expected/logs.json", &logs)
	for _, log := range logs {
		for _, want := range log.Transport {
			t.Run(path.Base(want.DBC), func(t *testing.T) {
				all := frames(t, samples.Read(t, textOf(log.File)))
				comparePayloads(t, want, all, false, want.SHA256)
				if want.Plain != "" {
					comparePayloads(t, want, all, true, want.Plain)
				}
				found, stats := gather(t, want.DBC, all, TransportOptions{})
				t.Logf("%+v", stats)
				compareTables(t, want.decodeFacts, found)
			})
		}
	}
}

// comparePayloads hashes the lines of all messages, sorted by time.
func comparePayloads(t *testing.T, want transportFacts, all []Frame, plain bool, hash string) {
	t.Helper()
	tr := newTransport(TransportOptions{PlainPayload: plain})
	type line struct {
		time int64
		text string
	}
	var lines []line
	for i := range all {
		f := &all[i]
		p := carriedBy(want, f)
		if p == none {
			continue
		}
		m, complete := tr.assemble(p, f)
		if !complete || p == diagnostic && len(f.Data) > 0 && f.Data[0] < 16 { // frames alone are no long messages
			continue
		}
		text := fmt.Sprintf("(%d.%06d) can%d %s#%X\n", m.Time/1e9, m.Time%1e9/1e3, m.Bus-1, idText(&m), m.Data)
		lines = append(lines, line{m.Time, text})
	}
	slices.SortStableFunc(lines, func(a, b line) int { return int(a.time - b.time) })
	h := sha256.New()
	for _, l := range lines {
		h.Write([]byte(l.text))
	}
	if got := hex.EncodeToString(h.Sum(nil)); len(lines) != want.Reassembled || got != hash {
		t.Errorf("plain %v: %d messages, SHA-256 %s; want %d, %s", plain, len(lines), got, want.Reassembled, hash)
	}
}

func idText(f *Frame) string {
	if f.Flags&can.Extended != 0 {
		return fmt.Sprintf("%08X", f.ID)
	}
	return fmt.Sprintf("%03X", f.ID)
}

// carriedBy takes the identifiers that the other programs were told.
func carriedBy(want transportFacts, f *Frame) protocol {
	if f.Flags&can.Extended != 0 {
		if strings.Contains(want.DBC, "j1939") && f.ID>>16&0xff >= 0xeb && f.ID>>16&0xff <= 0xec {
			return groups
		}
		return none
	}
	for _, by := range want.By {
		if by[0] == float64(f.Bus) && by[1] == idText(f) {
			return diagnostic
		}
	}
	return none
}

// conversation makes frames "ID#DATA" on bus 1, 1 ms apart.
func conversation(t testing.TB, text string) (all []Frame) {
	t.Helper()
	for i, f := range strings.Fields(text) {
		var e can.Event
		if _, err := can.ParseCandump([]byte("(0.000000) can0 "+f), &e); err != nil {
			t.Fatal(err)
		}
		all = append(all, Frame{Time: int64(i), Bus: 1, ID: e.Frame.ID, Flags: e.Frame.Flags, Data: bytes.Clone(e.Frame.Payload()), Verdict: can.Authentic})
	}
	return all
}

const obd = `BO_ 2024 OBD2: 8 A
 SG_ PID m65M : 16|8@1+ (1,0) [0|0] "" A
 SG_ Service M : 8|8@1+ (1,0) [0|0] "" A
 SG_ RPM m12 : 31|16@0+ (0.25,0) [0|0] "rpm" A
 SG_MUL_VAL_ 2024 PID Service 65-65;
SG_MUL_VAL_ 2024 RPM PID 12-12;
`

func TestDiagnosticAnswersAreDecodedWithTheirLengthInFront(t *testing.T) {
	plan := planOf(t, obd)
	got, stats := rows(t, Options{Plan: plan}, conversation(t,
		"7DF#02010C 7E8#04410C1AF8AAAAAA 7E8#037F0112 7E8#1014490201414243 7E0#30 7E8#2144454647484950 7E8#2251525354555657"))
	want := []string{"1 1:7E8 12 65 1726", "2 1:7E8 (not selected) 127 (not selected)", "3 1:7E8 (not selected) 73 (not selected)"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if want := (Stats{Frames: 7, Unknown: 2, Parts: 5, Messages: 3}); stats != want {
		t.Errorf("%+v, want %+v", stats, want)
	}
}

func TestFastPacketsOfNMEA2000AreDecoded(t *testing.T) {
	const text = `BO_ 2583168510 Position: 10 A
 SG_ sid : 0|8@1+ (1,0) [0|0] "" A
 SG_ last : 72|8@1+ (1,0) [0|0] "" A
`
	got, stats := rows(t, Options{Plan: planOf(t, text)}, conversation(t, "19F80503#400A070203040506 19F80503#4107080963FFFFFF 19F80504#400A08"))
	if want := []string{"0 1:19F80503 7 99"}; !slices.Equal(got, want) || stats.Lost != 1 {
		t.Errorf("%q, want %q; %+v", got, want, stats)
	}
}

func TestAMessageOfPartsHasTheirVerdictIfAllShareIt(t *testing.T) {
	const text = "BO_ 2028 Long: 20 A\n SG_ S : 0|8@1+ (1,0) [0|0] \"\" A\n"
	for _, c := range []struct{ second, want can.Verdict }{{can.Authentic, can.Authentic}, {can.SignatureWrong, can.NotJudged}} {
		frames := conversation(t, "7EC#1008010203040506 7EC#210708")
		frames[1].Verdict = c.second
		var got []can.Verdict
		d := New(Options{Plan: planOf(t, text), Batch: func(b *Batch) error {
			got = append(got, b.Verdict...)
			return nil
		}})
		for i := range frames {
			d.Add(&frames[i])
		}
		d.Flush()
		if !slices.Equal(got, []can.Verdict{c.want}) {
			t.Errorf("%v, want %v", got, c.want)
		}
	}
}

func TestPartsWithCiphertextAreNotPutTogether(t *testing.T) {
	const text = "BO_ 2028 Long: 20 A\n SG_ S : 0|8@1+ (1,0) [0|0] \"\" A\n"
	frames := conversation(t, "7EC#1008010203040506 7EC#210708")
	frames[1].Hidden = 2
	got, stats := rows(t, Options{Plan: planOf(t, text)}, frames)
	if len(got) != 0 || stats.Lost != 1 || stats.Stray != 1 {
		t.Errorf("%q, %+v", got, stats)
	}
}

func TestTransportCanBeTurnedOffOrAskedFor(t *testing.T) {
	const text = "BO_ 291 Short: 8 A\n SG_ S : 8|8@1+ (1,0) [0|0] \"\" A\n"
	frames := conversation(t, "123#1008110203040506 123#210708")
	for _, c := range []struct {
		o    TransportOptions
		want []string
	}{
		{TransportOptions{}, []string{"0 1:123 8", "1 1:123 7"}},
		{TransportOptions{ISOTP: []uint32{0x123}}, []string{"0 1:123 17"}},
		{TransportOptions{ISOTP: []uint32{0x123}, PlainPayload: true}, []string{"0 1:123 2"}},
		{TransportOptions{ISOTP: []uint32{0x123}, Off: true}, []string{"0 1:123 8", "1 1:123 7"}},
	} {
		if got, _ := rows(t, Options{Plan: planOf(t, text), Transport: c.o}, frames); !slices.Equal(got, c.want) {
			t.Errorf("%+v: %q, want %q", c.o, got, c.want)
		}
	}
}

// Frames of FD carry a long message whole, whatever came before them.
func TestClassicFramesAreNoSignForThoseOfFD(t *testing.T) {
	const text = "BO_ 291 Long: 16 A\n SG_ S : 120|8@1+ (1,0) [0|0] \"\" A\n"
	got, stats := rows(t, Options{Plan: planOf(t, text)}, []Frame{
		{Time: 1, Bus: 1, ID: 0x123, Data: make([]byte, 6)},
		{Time: 2, Bus: 1, ID: 0x123, Flags: can.FD, Data: bytes.Repeat([]byte{9}, 16)},
		{Time: 3, Bus: 1, ID: 0x123, Data: make([]byte, 6)},
	})
	if want := []string{"2 1:123 9"}; !slices.Equal(got, want) || stats.Parts != 2 {
		t.Errorf("%q, want %q; %+v", got, want, stats)
	}
}
