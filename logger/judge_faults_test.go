package logger

import (
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"canseal/can"
	"canseal/cancrypt"
	"canseal/internal/durable/memfs"
	"canseal/mdf"
)

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
