package logger

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"canseal/can"
	"canseal/cancrypt"
	"canseal/internal/clock"
	"canseal/internal/durable/memfs"
	"canseal/mdf"
)

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
