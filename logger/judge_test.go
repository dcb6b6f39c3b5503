package logger

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"canseal/can"
	"canseal/cancrypt"
	"canseal/internal/clock"
	"canseal/internal/durable"
	"canseal/internal/durable/memfs"
	"canseal/mdf"
	"canseal/segment"
)

const traces = "../testdata/cancrypt/traces/"

// traceJudge is the judge that a public trace asks for.
func traceJudge(t testing.TB, name string) *Judge {
	t.Helper()
	file, err := os.ReadFile(traces + name + ".keys.json")
	if err != nil {
		t.Fatal(err)
	}
	var c struct {
		Keys    map[string]string
		Devices []uint8
		Control struct {
			Base     string
			Extended bool
		}
		Timing struct{ Event int64 } `json:"timing_ms"`
		Table  string                `json:"table_bytes"`
	}
	if err := json.Unmarshal(file, &c); err != nil {
		t.Fatal(err)
	}
	raw := func(s string) []byte {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	table, err := cancrypt.ParseTable(raw(c.Table))
	if err != nil {
		t.Fatal(err)
	}
	base, err := strconv.ParseUint(strings.TrimSuffix(c.Control.Base, "h"), 16, 32)
	if err != nil {
		t.Fatal(err)
	}
	control := cancrypt.Word(base)
	if c.Control.Extended {
		control |= cancrypt.Extended
	}
	return &Judge{Profile: "p1", Level: "L2", Options: cancrypt.JudgeOptions{
		Table: table, Members: c.Devices, KeyID: 3, Key: cancrypt.Key(raw(c.Keys["3"])), Methods: cancrypt.NewMethods(cancrypt.PadSpeck, cancrypt.SpeckMAC),
		Control: control, Event: c.Timing.Event * int64(time.Millisecond),
	}}
}

// traceFrames are the frames of a trace, the first at a time.
func traceFrames(t testing.TB, name string, start int64) (events []can.Event) {
	t.Helper()
	file, err := os.ReadFile(traces + name + ".log")
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(file) {
		var e can.Event
		if _, err := can.ParseCandump(bytes.TrimSpace(line), &e); err != nil {
			t.Fatal(err)
		}
		e.Bus = 1
		events = append(events, e)
	}
	shift := start - events[0].Time
	for i := range events {
		events[i].Time += shift
	}
	return events
}

func traceCodes(t testing.TB, name string) (codes []can.Verdict) {
	t.Helper()
	file, err := os.Open(traces + name + ".expected.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var e struct {
			Type string
			Code int
		}
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		if e.Type == "frame" {
			codes = append(codes, can.Verdict(e.Code))
		}
	}
	return codes
}

// play feeds events as time passes.
func (r *rig) play(events []can.Event) {
	for len(events) > 0 {
		wall := r.clocks.read().Wall
		n := 0
		for n < len(events) && events[n].Time <= wall {
			n++
		}
		if n > 0 {
			r.feed.events <- events[:n]
			synctest.Wait()
			events = events[n:]
			continue
		}
		time.Sleep(time.Duration(events[0].Time-wall) + 5*time.Millisecond)
	}
	time.Sleep(3 * time.Second)
	synctest.Wait()
}

// records is what a card holds of a kind, in the order of segments.
func records[T mdf.Record](t testing.TB, f durable.FS) (all []T) {
	t.Helper()
	card := segment.Card{FS: f, Device: box}
	listing, err := card.Scan()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range listing.Segments {
		in, err := f.Open(card.Path(s.Name, segment.Sealed))
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		size, _ := in.Size()
		r, err := mdf.Open(in, size)
		if err != nil {
			t.Fatal(err)
		}
		for rec, err := range r.Records() {
			if err != nil {
				t.Fatal(err)
			}
			if frame, is := rec.(*mdf.Frame); is {
				whole := *frame
				rec = &whole
			}
			if v, is := rec.(T); is {
				all = append(all, v)
			}
		}
	}
	return all
}

// settled are the frames of a card with the verdicts that were found later.
func settled(t testing.TB, f durable.FS) []*mdf.Frame {
	t.Helper()
	frames, changes := records[*mdf.Frame](t, f), records[mdf.VerdictChange](t, f)
	for _, c := range changes {
		if c.Time < c.To { // a compressed segment is in the order of times
			t.Errorf("a late verdict of %d stands before its frame of %d", c.Time, c.To)
		}
	}
	only := map[uint32]uint8{}
	for _, s := range records[mdf.Sender](t, f) {
		if s.HeartbeatOnly {
			only[s.ID] = s.Sender
		}
	}
	for _, e := range frames {
		for _, c := range changes {
			about := c.Scope == mdf.ScopeIdentifier && c.ID == e.Frame.ID || c.Scope == mdf.ScopeSender && only[e.Frame.ID] == c.Sender
			open := e.Verdict == can.Pending || e.Verdict == can.Vouched && c.Verdict == can.VouchedTwice
			if about && open && c.From <= e.Time && e.Time <= c.To {
				e.Verdict = c.Verdict
			}
		}
	}
	return frames
}

func TestVerdictsOfThePublicTracesReachTheLog(t *testing.T) {
	for _, name := range []string{"clean-small", "streams", "attack-forge", "attack-replay", "attack-silent"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, newCard())
				judge := traceJudge(t, name)
				r.o.Buses[0].Judge, r.o.Buses[0].Role = judge, "judge"
				r.o.SplitSize = 200_000
				r.start()
				sent := traceFrames(t, name, r.clocks.read().Wall)
				r.play(sent)
				status := r.logger.Status().Cancrypt
				r.stop()
				want, got := traceCodes(t, name), settled(t, r.card)
				if len(got) != len(want) {
					t.Fatalf("%d frames, wanted %d", len(got), len(want))
				}
				wrong, encrypted := 0, 0
				for i, e := range got {
					if e.Verdict != want[i] {
						if wrong++; wrong < 10 {
							t.Errorf("frame %d: %v, wanted %v", i, e.Verdict, want[i])
						}
					}
					if e.Encrypted {
						encrypted++
					}
				}
				late := len(records[mdf.VerdictChange](t, r.card))
				if seconds := int(sent[len(sent)-1].Time-sent[0].Time) / 1e9; late > 3*seconds+10 {
					t.Errorf("%d late verdicts in %d s: verdicts that come within moments stand in the frames", late, seconds)
				}
				if c := inventory(t, r.card); len(c.segments) < 2 && name == "clean-small" {
					t.Error("one segment: nothing is shown of splits")
				}
				if len(status) != 1 || status[0].State != "in step (judge)" || status[0].Reason != "" || status[0].Verdicts["2"] == 0 || len(status[0].Members) != len(judge.Options.Members) {
					t.Errorf("status %+v", status)
				}
				t.Logf("%d frames, %d encrypted, %d late verdicts, %d security records", len(got), encrypted, late, len(records[mdf.Security](t, r.card)))
			})
		})
	}
}

func TestTheHeadOfASegmentNamesJudgeAndSenders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard())
		r.o.Buses[0].Judge = traceJudge(t, "clean-small")
		o := &r.o.Buses[0].Judge.Options
		o.HeartbeatOnly = map[cancrypt.Word]uint8{0x555: o.Members[0]}
		r.start()
		r.send(3, 1)
		r.stop()
		var header mdf.Header
		for _, f := range inventory(t, r.card).files {
			header = f.header
		}
		if len(header.Cancrypt) != 1 {
			t.Fatalf("header %+v", header)
		}
		c := header.Cancrypt[0]
		if c.Bus != 1 || c.Role != "judge" || c.Key != 3 || c.TableCRC != o.Table.CRC() || fmt.Sprint(c.Members) != fmt.Sprint(o.Members) || len(c.Table) != 8*len(o.Table.Records()) {
			t.Errorf("header %+v", c)
		}
		senders := records[mdf.Sender](t, r.card)
		if len(senders) != len(o.Table.Records())+1 || !senders[0].Secured || !senders[len(senders)-1].HeartbeatOnly || senders[len(senders)-1].ID != 0x555 {
			t.Errorf("senders %+v", senders)
		}
	})
}

func TestWithoutAKeyListedFramesAreNotJudgedAndTheStatusSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard())
		judge := traceJudge(t, "clean-small")
		judge.Options.NoKey, judge.Reason = true, "no key in slot 3"
		r.o.Buses[0].Judge = judge
		r.start()
		r.play(traceFrames(t, "clean-small", r.clocks.read().Wall)[:3000])
		status := r.logger.Status().Cancrypt[0]
		r.stop()
		if status.Reason != "no key in slot 3" || status.State != "out of step (judge)" {
			t.Errorf("status %+v", status)
		}
		codes := map[can.Verdict]int{}
		for _, e := range settled(t, r.card) {
			codes[e.Verdict]++
		}
		if codes[can.NotJudged] == 0 || codes[can.NotListed] == 0 || codes[can.PreambleWithoutMessage] > 1 || len(codes) > 3 {
			t.Errorf("verdicts %v", codes)
		}
	})
}

// A recorded drive that is played again is known, also after a restart.
func TestADrivePlayedAgainIsAReplayedSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		card := newCard()
		for run := range 2 {
			r := newRig(t, card)
			r.o.Buses[0].Judge = traceJudge(t, "clean-small")
			r.start()
			r.play(traceFrames(t, "clean-small", r.clocks.read().Wall)[:2000])
			status := r.logger.Status().Cancrypt[0]
			r.stop()
			if again := status.Verdicts["14"] > 0 && status.Verdicts["2"] == 0 && status.Events["replayed session"] == 1; again != (run == 1) {
				t.Errorf("run %d: %+v", run, status)
			}
		}
	})
}

// A judge that could not hear the start says so until the next one.
func TestALateStartJudgesNothing(t *testing.T) {
	for _, seconds := range []int64{0, 5} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, newCard())
			r.o.Buses[0].Judge = traceJudge(t, "clean-small")
			r.start()
			start := r.clocks.read().Wall
			all := traceFrames(t, "clean-small", start-seconds*1e9)
			from := 0
			for all[from].Time < start {
				from++
			}
			r.play(all[from:])
			status := r.logger.Status().Cancrypt[0]
			r.stop()
			if judged := status.Verdicts["2"] > 0; judged != (seconds == 0) {
				t.Errorf("%d s late: %+v", seconds, status)
			}
			if seconds > 0 && status.Reason != "no start of the group was heard" {
				t.Errorf("%d s late: reason %q", seconds, status.Reason)
			}
			if seconds == 0 && (status.FirstVerdict == nil || *status.FirstVerdict > 5) {
				t.Errorf("first verdict after %v", status.FirstVerdict)
			}
		})
	}
}

func TestSecurityEventsAreLimitedAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard())
		judge := traceJudge(t, "clean-small")
		r.o.Buses[0].Judge = judge
		r.start()
		word := judge.Options.Table.Records()[0].Word
		const sent = 5000
		base := r.clocks.read().Wall
		for i := range sent {
			r.feed.events <- []can.Event{{Time: base + int64(i)*1e6, Bus: 1, Frame: can.Frame{ID: word.ID(), DLC: 1, Len: 1}}}
			time.Sleep(time.Millisecond)
		}
		time.Sleep(3 * time.Second)
		status := r.logger.Status().Cancrypt[0]
		r.stop()
		var count uint64
		list := records[mdf.Security](t, r.card)
		for _, s := range list {
			if s.Kind != mdf.LoneMessage || s.ID != word.ID() || s.Bus != 1 {
				t.Errorf("%+v", s)
			}
			count += s.Count
		}
		if want := status.Events["message without preamble"]; count != want || want < sent-20 || len(list) > sent/1000+2 {
			t.Errorf("%d records count %d of %d events of %d frames", len(list), count, want, sent)
		}
		if !r.has("cancrypt: message without preamble 1") {
			t.Errorf("events %v", r.events)
		}
	})
}

// Control by authentic frames alone: what a stranger sends under the control's
// identifier neither pauses nor resumes.
func TestOnlyAuthenticFramesSteer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard())
		judge := traceJudge(t, "clean-small")
		all := traceFrames(t, "clean-small", r.clocks.read().Wall)
		codes := traceCodes(t, "clean-small")
		var id uint32 // of the first authentic data frame
		for i, e := range all {
			if w := cancrypt.WordOf(&e.Frame); codes[i] == can.Authentic && judge.Options.Table.Find(w) != nil && !e.Frame.Is(can.Extended) {
				id = e.Frame.ID
				break
			}
		}
		r.o.Buses[0].Judge = judge
		// Any value pauses, none resumes.
		r.o.Buses[0].Control = &Control{Signal: Signal{ID: id, Length: 8, Factor: 1}, StartAt: 1e9, StopAt: 1e8, Authentic: true}
		r.start()
		forged := can.Event{Time: r.clocks.read().Wall, Bus: 1, Frame: can.Frame{ID: id, DLC: 1, Len: 1}}
		r.feed.events <- []can.Event{forged}
		synctest.Wait()
		time.Sleep(2 * time.Second)
		if s := r.logger.Status().Buses[0]; s.Recording != "recording" {
			t.Errorf("after a forged frame: %s", s.Recording)
		}
		for i := range all {
			all[i].Time += 2e9
		}
		r.play(all[:3000])
		if s := r.logger.Status().Buses[0]; s.Recording != "paused" {
			t.Errorf("after an authentic frame: %s", s.Recording)
		}
		r.stop()
	})
}

// Own identifiers from another program of this machine, or from the bus.
func TestFramesWithOwnIdentifiersThatAreNotOursAreInjected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard())
		judge := traceJudge(t, "clean-small")
		record := judge.Options.Table.Records()[0]
		judge.Options.Address = record.Producer
		r.o.Buses[0].Judge = judge
		r.start()
		now := r.clocks.read().Wall
		for i, dir := range []can.Direction{can.Tx, can.OtherTx, can.Rx} {
			r.feed.events <- []can.Event{{Time: now + int64(i)*1e8, Bus: 1, Dir: dir, Frame: can.Frame{ID: record.Word.ID(), DLC: 1, Len: 1}}}
		}
		time.Sleep(time.Second)
		r.stop()
		var got []can.Verdict
		for _, e := range settled(t, r.card) {
			got = append(got, e.Verdict)
		}
		if want := []can.Verdict{can.MessageWithoutPreamble, can.Injected, can.Injected}; fmt.Sprint(got) != fmt.Sprint(want) && fmt.Sprint(got[1:]) != fmt.Sprint(want[1:]) {
			t.Errorf("found %v", got)
		}
		if !r.has("cancrypt: own identifier received 1") || !r.has("cancrypt: injected by another program of this machine 1") {
			t.Errorf("events %v", r.events)
		}
	})
}

// A step of the clock breaks no sequence: limits are kept on a clock that is
// never set.
func TestAStepOfTheClockCostsNoVerdict(t *testing.T) {
	for _, step := range []time.Duration{time.Hour, -30 * time.Minute, 20 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, newCard())
			r.o.Buses[0].Judge = traceJudge(t, "clean-small")
			r.start()
			all := traceFrames(t, "clean-small", r.clocks.read().Wall)
			const before = 4000
			r.play(all[:before])
			// play waits: the rest comes later, and is stamped by the new clock.
			wait := r.clocks.read().Wall - all[before].Time
			r.clocks.set(now2026+step, true)
			for i := range all[before:] {
				all[before+i].Time += wait + int64(step)
			}
			r.play(all[before:])
			r.stop()
			want := traceCodes(t, "clean-small")
			wrong := 0
			for i, e := range settled(t, r.card) {
				if e.Verdict != want[i] {
					wrong++
				}
			}
			// The pause of 3 s costs the cycle that it interrupts, not more.
			if wrong > 20 {
				t.Errorf("step of %v: %d verdicts differ", step, wrong)
			}
		})
	}
}

// What is encrypted can be recorded in plain text, in a group of its own.
func TestPlaintextIsRecordedOnlyWhenAskedFor(t *testing.T) {
	for _, asked := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, newCard())
			judge := traceJudge(t, "streams")
			judge.Options.Plaintext = asked
			r.o.Buses[0].Judge = judge
			r.start()
			r.play(traceFrames(t, "streams", r.clocks.read().Wall)[:2500])
			r.stop()
			frames := map[int64]*mdf.Frame{}
			hidden := 0
			for _, e := range settled(t, r.card) {
				frames[e.Time] = e
				if e.Encrypted && e.Verdict == can.Authentic && e.Frame.ID&^15 != 0x170 {
					hidden++
				}
			}
			plain := records[mdf.Plain](t, r.card)
			if !asked && len(plain) > 0 || asked && (len(plain) < hidden || hidden == 0) {
				t.Errorf("asked %v: %d plain texts of %d encrypted frames", asked, len(plain), hidden)
			}
			for _, p := range plain {
				if e := frames[p.Time]; e == nil || e.Frame.ID != p.ID || e.Frame.Len != p.Len {
					t.Fatalf("plain text without its frame: %+v", p)
				}
			}
		})
	}
}

// A changed configuration that leaves the judge as it is costs no verdict.
func TestAJudgeGoesOnOverAChangedConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard())
		r.o.Buses[0].Judge = traceJudge(t, "clean-small")
		r.start()
		all := traceFrames(t, "clean-small", r.clocks.read().Wall)
		half := 0
		for all[half].Time < all[0].Time+10e9 {
			half++
		}
		r.play(all[:half])
		r.stop()
		next := r.o
		r.feed = newFeed()
		next.Source, next.Buses[0].Judge = r.feed, traceJudge(t, "clean-small")
		wait := r.clocks.read().Wall - all[half].Time
		for i := range all[half:] {
			all[half+i].Time += wait
		}
		r.logger = r.logger.Continue(next)
		go func() { r.done <- r.logger.Run(context.Background()) }()
		<-r.logger.Ready()
		r.play(all[half:])
		status := r.logger.Status().Cancrypt[0]
		r.stop()
		if status.State != "in step (judge)" || status.Events["group key"] != 1 {
			t.Errorf("status %+v", status)
		}
	})
}

// BenchmarkJudgedFrames is the recorder's share of a secured pair: judged,
// encoded and recorded, without a disk.
func BenchmarkJudgedFrames(b *testing.B) {
	judge := traceJudge(b, "clean-small")
	l, _, err := Prepare(Options{
		Card: memfs.New(), State: memfs.New(), Device: box, Clock: clock.New(clock.Options{}), Source: &endless{},
		SplitSize: 1 << 50, KeepFree: Reserve{Bytes: 1}, Buses: []Bus{{Number: 1, Judge: judge}},
	})
	if err != nil {
		b.Fatal(err)
	}
	r := l.recorder
	r.open()
	all := traceFrames(b, "clean-small", time.Now().UnixNano())
	length := all[len(all)-1].Time - all[0].Time + 10e9
	b.ReportAllocs()
	frames := 0
	for b.Loop() {
		q := r.queue
		for part := all; len(part) > 0; {
			n := copy(q.free(), part[:min(len(part), 512)])
			q.commit(n)
			part = part[n:]
			r.take()
			frames += n
		}
		for i := range all {
			all[i].Time += length
		}
		if r.seg.w.Size() > 1<<27 {
			r.next()
		}
	}
	b.ReportMetric(float64(frames)/b.Elapsed().Seconds()/1e6, "Mframes/s")
	if s := r.judges.by[1].verdicts; s[can.Authentic] == 0 {
		b.Fatal(s)
	}
}

// A missed heartbeat is searched for in the background (5.10). The search tries
// 2^24 keys: it is only run on demand. cancrypt has a short one.
func TestAMissedHeartbeatIsRepairedWhileRecording(t *testing.T) {
	if os.Getenv("CANSEAL_SOAK") == "" {
		t.Skip("CANSEAL_SOAK is not set: TestAMissedHeartbeatIsRepairedWhileRecording is not run")
	}
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard())
		r.o.Buses[0].Judge = traceJudge(t, "clean-small")
		r.start()
		all := traceFrames(t, "clean-small", r.clocks.read().Wall)
		lost := 0
		for i := range all { // the third heartbeat of the last member
			if e := &all[i]; e.Frame.Len == 5 && e.Frame.ID == 0x173 && e.Time > all[0].Time+3e9 {
				lost = i
				break
			}
		}
		r.play(append(all[:lost:lost], all[lost+1:]...))
		status := r.logger.Status().Cancrypt[0]
		r.stop()
		if status.State != "in step (judge)" || status.Events["out of step"] != 1 || status.Events["in step"] != 1 {
			t.Errorf("status %+v", status)
		}
	})
}

// What a member on this machine sees stands in the log too.
func TestReportsOfAMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard())
		r.o.Buses[0].Judge = traceJudge(t, "clean-small")
		r.start()
		for range 5 {
			r.logger.Report(1, cancrypt.SecurityEvent{Kind: 18, Sender: 3}, can.CryptSilent)
			time.Sleep(100 * time.Millisecond)
		}
		r.logger.Report(2, cancrypt.SecurityEvent{Kind: 18, Sender: 3}, 0) // of a bus without a judge
		time.Sleep(3 * time.Second)
		r.stop()
		var count uint64
		list := records[mdf.Security](t, r.card)
		for _, s := range list {
			count += s.Count
			if s.Kind != mdf.Collision || s.Sender != 3 || s.Bus != 1 {
				t.Errorf("%+v", s)
			}
		}
		silent := 0
		for _, s := range records[mdf.State](t, r.card) {
			if s.State == can.CryptSilent {
				silent++
			}
		}
		if count != 5 || len(list) > 2 || silent != 5 || !r.has("cancrypt: collision 1") {
			t.Errorf("%d events in %d records, %d states", count, len(list), silent)
		}
	})
}

// beside mixes heartbeat-only frames into a trace.
func beside(all []can.Event, id uint32) (mixed []can.Event, places map[int]bool) {
	places = map[int]bool{}
	for i, e := range all {
		mixed = append(mixed, e)
		if i%100 == 99 {
			places[len(mixed)] = true
			mixed = append(mixed, can.Event{Time: e.Time + 1000, Bus: e.Bus, Frame: can.Frame{ID: id, DLC: 1, Len: 1}})
		}
	}
	return mixed, places
}

func TestHeartbeatOnlyFramesAreVouchedForInTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard())
		judge := traceJudge(t, "clean-small")
		judge.Options.HeartbeatOnly = map[cancrypt.Word]uint8{0x7A0: judge.Options.Members[0]}
		r.o.Buses[0].Judge = judge
		r.o.SplitSize = 150_000
		r.start()
		mixed, places := beside(traceFrames(t, "clean-small", r.clocks.read().Wall), 0x7A0)
		r.play(mixed)
		status := r.logger.Status().Cancrypt[0]
		r.stop()
		codes := map[can.Verdict]int{}
		for i, e := range settled(t, r.card) {
			if places[i] {
				codes[e.Verdict]++
			} else if e.Verdict == can.Vouched || e.Verdict == can.VouchedTwice {
				t.Errorf("frame %d of %03X is %v", i, e.Frame.ID, e.Verdict)
			}
		}
		if codes[can.VouchedTwice] < len(places)/2 || codes[can.Unvouched]+codes[can.NotListed] > 0 {
			t.Errorf("%v of %d", codes, len(places))
		}
		if int(status.Verdicts["5"]) != codes[can.Vouched] || int(status.Verdicts["6"]) != codes[can.VouchedTwice] {
			t.Errorf("status %v, the log %v", status.Verdicts, codes)
		}
	})
}

// Frames that wait in a pre-trigger have their verdicts too, and what a filter
// leaves out is judged all the same.
func TestWhatIsLeftOutIsJudgedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newCard())
		judge := traceJudge(t, "clean-small")
		r.o.Buses[0].Judge = judge
		r.o.Buses[0].Filter = []Filter{{Rule: can.Rule{First: 0x170, Last: 0x17F, Reject: true}}, {Rule: can.Rule{First: 0, Last: 0x7FF, Remote: true}}}
		r.o.Buses[0].Control = &Control{Signal: Signal{ID: 0x7F1, Length: 8, Factor: 1}, StartAt: 2, StopAt: 1, PreTrigger: 3 * time.Second}
		r.start()
		all := traceFrames(t, "clean-small", r.clocks.read().Wall)
		steer := func(at int64, value byte) can.Event {
			return can.Event{Time: at, Bus: 1, Frame: can.Frame{ID: 0x7F1, DLC: 1, Len: 1, Data: [64]byte{value}}}
		}
		half := 4000
		events := append(append([]can.Event(nil), all[:half]...), steer(all[half-1].Time+1000, 0))
		events = append(append(events, all[half:half+1500]...), steer(all[half+1500-1].Time+1000, 3))
		events = append(events, all[half+1500:]...)
		r.play(events)
		r.stop()
		codes := map[can.Verdict]int{}
		inPause := 0
		for _, e := range settled(t, r.card) {
			if judge.Options.Table.Find(cancrypt.WordOf(&e.Frame)) == nil {
				continue
			}
			codes[e.Verdict]++
			if e.Time > all[half].Time && e.Time < all[half+1500].Time {
				inPause++
			}
		}
		if codes[can.Authentic] == 0 || codes[can.Pending]+codes[can.NotJudged]+codes[can.MessageWithoutPreamble] > 0 || inPause == 0 {
			t.Errorf("verdicts %v, %d in the pause", codes, inPause)
		}
	})
}

// Whatever operation fails, also of the state folder, each frame is recorded once
// or counted as lost, and no verdict is another one than without the failure.
func TestJudgingSurvivesAnyFailingOperation(t *testing.T) {
	want := traceCodes(t, "attack-replay")
	memfs.EachFault(t, syscall.EIO, withState, func(f *memfs.FS) error {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, f)
			judge := traceJudge(t, "attack-replay")
			judge.Options.Plaintext = true
			r.o.Buses[0].Judge = judge
			r.start()
			r.play(traceFrames(t, "attack-replay", r.clocks.read().Wall))
			r.stop()
		})
		return nil
	}, func(f *memfs.FS, _ error) {
		if rec := recovered(t, f); len(rec.Problems) > 0 {
			t.Errorf("recovery: %+v", rec)
		}
		lost := uint64(0)
		for _, g := range inventory(t, f).gaps {
			lost += g.Count
		}
		frames := settled(t, f)
		if uint64(len(frames))+lost != uint64(len(want)) {
			t.Errorf("%d frames + %d lost, sent %d", len(frames), lost, len(want))
		}
		counts := map[can.Verdict]int{}
		for _, v := range want {
			counts[v]++
		}
		for _, e := range frames {
			counts[e.Verdict]--
		}
		for v, n := range counts {
			if n < 0 && v != can.Pending {
				t.Errorf("%d frames too many are %v", -n, v)
			}
		}
	})
}

// What overflows the queue is known to the judge: nobody is blamed for it.
func TestWhatOverflowsTheQueueAccusesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		card := newCard()
		disk := &slowDisk{FS: card, stall: make(chan struct{})}
		r := newRig(t, card)
		r.o.Card, r.o.Queue = disk, 512
		r.o.Buses[0].Judge = traceJudge(t, "clean-small")
		r.start()
		all := traceFrames(t, "clean-small", r.clocks.read().Wall)
		r.play(all[:2000])
		wait := r.clocks.read().Wall - all[2000].Time
		for i := range all[2000:] {
			all[2000+i].Time += wait
		}
		disk.at = 1 // the next sync hangs
		time.AfterFunc(3*time.Second, func() { close(disk.stall) })
		r.play(all[2000:5000])
		r.stop()
		lost := uint64(0)
		for _, g := range records[mdf.Gap](t, card) {
			lost += g.Count
		}
		codes := map[can.Verdict]int{}
		for _, e := range settled(t, card) {
			codes[e.Verdict]++
		}
		bad := codes[can.SignatureWrong] + codes[can.KeyEpochUnknown] + codes[can.HeartbeatWrong] + codes[can.MessageWithoutPreamble] + codes[can.PreambleWithoutMessage]
		if lost == 0 || bad > 1 || codes[can.Pending] > 1 { // the last preamble of what is played has no message
			t.Errorf("%d lost, verdicts %v", lost, codes)
		}
	})
}
