package decode

import (
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
