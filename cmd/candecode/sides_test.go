package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"canseal/can"
	"canseal/mdf"
)

// judged writes a recording of a bus that is judged: a frame that stays
// pending and is settled later, one with ciphertext, its plaintext, and what
// stands beside frames.
func judged(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := mdf.Create(segmentFile{f}, mdf.Header{Start: chartBegin, Device: "A1B2C3D4", Session: 7, Split: 1, Version: "0.1.0", BootID: "one", Plain: true})
	if err != nil {
		t.Fatal(err)
	}
	at := func(ms int64) int64 { return chartBegin + ms*1e6 }
	frame := func(ms int64, id uint32, v can.Verdict, hidden bool) *mdf.Frame {
		return &mdf.Frame{Encrypted: hidden, Event: can.Event{Time: at(ms), Bus: 1, Verdict: v, Frame: can.Frame{ID: id, DLC: 2, Len: 2, Data: [64]byte{1, 2}}}}
	}
	for _, r := range []mdf.Record{
		mdf.Clock{Time: at(0), Wall: at(0), Boot: 1e9, Error: 250, Source: mdf.SourceKernel, Synchronised: true},
		mdf.Sender{Time: at(0), ID: 0x100, Bus: 1, Sender: 3, HeartbeatOnly: true},
		mdf.State{Time: at(1), Bus: 1, State: can.CryptInStep},
		frame(2, 0x100, can.Pending, false),
		frame(3, 0x101, can.Authentic, true),
		mdf.Plain{Time: at(3), ID: 0x101, Bus: 1, Sender: 4, Len: 2, Data: [64]byte{0xab, 0xcd}},
		frame(4, 0x102, can.SignatureWrong, false),
		mdf.Security{Time: at(5), Count: 2, ID: 0x102, Bus: 1, Sender: 4, Kind: mdf.SignatureFailure},
		mdf.VerdictChange{Time: at(6), From: at(0), To: at(4), Bus: 1, Sender: 3, Verdict: can.Vouched},
	} {
		if err := w.Append(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Finish(mdf.Clock{Time: at(10), Wall: at(10), Boot: 1e9 + 10e6, Error: mdf.UnknownError, Synchronised: true}); err != nil {
		t.Fatal(err)
	}
}

func TestARecordingOfAJudgedBusAsTables(t *testing.T) {
	dir := t.TempDir()
	log, dbc, out := filepath.Join(dir, "x.mf4"), filepath.Join(dir, "a.dbc"), filepath.Join(dir, "out")
	judged(t, log)
	write(t, dbc, []byte("BO_ 256 A: 2 X\n SG_ S : 0|8@1+ (1,0) [0|0] \"\" X\nBO_ 257 B: 2 X\n SG_ S : 0|8@1+ (1,0) [0|0] \"\" X\nBO_ 258 C: 2 X\n SG_ S : 0|8@1+ (1,0) [0|0] \"\" X\n"))
	candecode(t, "-q", "--format", "csv", "--dbc", dbc, "-o", out, log)
	const head, day = "t,bus,", "2026-11-20T12:00:00."
	for name, want := range map[string]string{
		"A":                "id,verdict,clock,missing,S\n" + day + "002000000Z,1,256,vouched,synchronised,,1\n",
		"B":                "id,verdict,clock,missing,S\n" + day + "003000000Z,1,257,authentic,synchronised,encrypted,\n",
		"C":                "id,verdict,clock,missing,S\n" + day + "004000000Z,1,258,signature wrong,synchronised,,1\n",
		"canseal_security": "kind,sender,id,extended,count,clock\n" + day + "005000000Z,1,signature failure,4,258,0,2,synchronised\n",
		"canseal_senders":  "id,extended,sender,secured,heartbeat_only,clock\n" + day + "000000000Z,1,256,0,3,0,1,synchronised\n",
		"canseal_states":   "kind,state,tx_errors,rx_errors,id,extended,left_out,clock\n" + day + "001000000Z,1,CANcrypt,in step (judge),0,0,0,0,0,synchronised\n",
		"canseal_plain":    "id,extended,sender,data,clock\n" + day + "003000000Z,1,257,0,4,abcd,synchronised\n",
		"canseal_clocks": "boot_ns [ns],wall_ns [ns],synchronised,error_us [µs],source,step,below_floor,clock\n" +
			day + "000000000Z,0,1000000000,1795176000000000000,1,250,kernel synchronised,0,0,synchronised\n" +
			day + "010000000Z,0,1010000000,1795176000010000000,1,,unknown,0,0,synchronised\n",
		"canseal_verdicts": "from_ns [ns],to_ns [ns],id,extended,sender,verdict,clock\n" +
			day + "006000000Z,1,1795176000000000000,1795176000004000000,,0,3,vouched,synchronised\n",
	} {
		text, err := os.ReadFile(filepath.Join(out, "device=A1B2C3D4", "message="+name, "date=2026-11-20", "00000007_00000001.csv"))
		if err != nil || string(text) != head+want {
			t.Errorf("%s: %v, got\n%swanted\n%s", name, err, text, head+want)
		}
	}
	text, _ := candecode(t, "-q", "--format", "raw-csv", log)
	if !strings.Contains(text, "vouched") || !strings.Contains(text, "signature wrong") {
		t.Errorf("raw CSV:\n%s", text)
	}
}
