package mqtt

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"canseal/can"
)

// taken is a frame at so many ms.
func taken(ms int64, bus uint8, id uint32, verdict can.Verdict, data ...byte) can.Event {
	e := can.Event{Kind: can.KindFrame, Time: 1_795_176_000_000_000_000 + ms*1e6, Bus: bus, Verdict: verdict, Frame: can.Frame{ID: id, Len: uint8(len(data)), DLC: uint8(len(data))}}
	copy(e.Frame.Data[:], data)
	if id > 0x7FF {
		e.Frame.Flags = can.Extended
	}
	return e
}

func options() FeedOptions {
	return FeedOptions{
		Prefix: "can", Device: "A1B2C3D4", Buses: map[uint8]string{1: "can0", 2: "vcan.1"}, Frames: true, Verdicts: true,
		Identifiers: []Identifier{{Match: func(id uint32, extended bool) bool { return id == 0x123 && !extended }, Every: time.Second}},
		Status:      func() any { return map[string]any{"frames": 7} },
	}
}

// published runs a feed and an output to a good broker, and returns what came.
func published(t *testing.T, o FeedOptions, work func(*Feed)) (all map[string][]string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &broker{over: make(chan struct{})}
		b.become(b.good)
		out := New(Options{Dial: b.dial, ClientID: "test", Will: Will(o.Prefix, o.Device)})
		f := NewFeed(out, o)
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = f.Run(ctx) })
		running.Go(func() { _ = out.Run(ctx) })
		work(f)
		time.Sleep(2 * time.Second)
		stop()
		running.Wait()
		all = map[string][]string{}
		for i, topic := range b.topics {
			all[topic] = append(all[topic], b.got[i])
		}
		for _, list := range all {
			slices.Sort(list)
		}
	})
	return all
}

func TestFramesArePublishedInBatches(t *testing.T) {
	all := published(t, options(), func(f *Feed) {
		f.Take([]can.Event{taken(0, 1, 0x123, 0, 0xDE, 0xAD), taken(3, 1, 0x18FEF100, 0), taken(4, 2, 0x7, 0, 1)})
		time.Sleep(time.Second)
		f.Take([]can.Event{taken(900, 1, 0x123, 0, 0xBE), taken(1100, 1, 0x123, 0, 0xEF)})
	})
	for topic, want := range map[string][]string{
		"can/A1B2C3D4/can0/frames": {
			`{"v":1,"seq":1,"t0":"2026-11-20T12:00:00Z","f":[[0,"123","dead",0],[3000,"18FEF100","",1]]}`,
			`{"v":1,"seq":2,"t0":"2026-11-20T12:00:00.9Z","f":[[0,"123","be",0],[200000,"123","ef",0]]}`,
		},
		"can/A1B2C3D4/vcan_1/frames": {`{"v":1,"seq":1,"t0":"2026-11-20T12:00:00.004Z","f":[[0,"007","01",0]]}`},
		"can/A1B2C3D4/can0/id/123":   {`{"v":1,"t":"2026-11-20T12:00:00Z","d":"dead"}`, `{"v":1,"t":"2026-11-20T12:00:01.1Z","d":"ef"}`},
	} {
		if !slices.Equal(all[topic], want) {
			t.Errorf("%s: %q, wanted %q", topic, all[topic], want)
		}
	}
}

func TestVerdictsAndSecurityEventsArePublished(t *testing.T) {
	all := published(t, options(), func(f *Feed) {
		f.Take([]can.Event{taken(0, 1, 1, can.Authentic), taken(1, 1, 1, can.Authentic), taken(2, 1, 2, can.SignatureWrong), taken(3, 2, 9, can.NotChecked)})
		f.Note(1, 1_795_176_000_500_000_000, "group split")
	})
	want := []string{`{"counts":{"authentic":2,"signature wrong":1},"events":[{"t":"2026-11-20T12:00:00.5Z","what":"group split"}],"more":0,"seq":1,"t0":"2026-11-20T12:00:00Z","t1":"2026-11-20T12:00:00.002Z","v":1}`}
	if got := all["can/A1B2C3D4/can0/verdicts"]; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if got := all["can/A1B2C3D4/vcan_1/verdicts"]; got != nil {
		t.Errorf("nothing was judged there: %q", got)
	}
}

func TestStatusIsRetainedAndFoundByHomeAssistant(t *testing.T) {
	o := options()
	o.Discovery = []Sensor{{ID: "frames", Name: "Frames", Path: "frames"}}
	all := published(t, o, func(*Feed) {})
	var status struct {
		Online bool
		Device map[string]int
		MQTT   map[string]int
	}
	list := all["can/A1B2C3D4/status"]
	if len(list) != 1 || json.Unmarshal([]byte(list[0]), &status) != nil || !status.Online || status.Device["frames"] != 7 {
		t.Errorf("status %q", list)
	}
	var found map[string]any
	list = all["homeassistant/sensor/canseal_A1B2C3D4/frames/config"]
	if len(list) != 1 || json.Unmarshal([]byte(list[0]), &found) != nil || found["state_topic"] != "can/A1B2C3D4/status" || found["value_template"] != "{{ value_json.device.frames }}" {
		t.Errorf("discovery %q", list)
	}
}

// Who records is never held up: what there is no room for is counted, and the
// status tells it.
func TestWithoutABrokerTheOldestGoAndAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &broker{over: make(chan struct{})}
		out := New(Options{Dial: b.dial, Buffer: 64 << 10})
		f := NewFeed(out, options())
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = f.Run(ctx) })
		running.Go(func() { _ = out.Run(ctx) })
		var many [1000]can.Event
		for i := range many {
			many[i] = taken(int64(i), 1, 0x200, 0, 1, 2, 3, 4, 5, 6, 7, 8)
		}
		for range 600 {
			f.Take(many[:])
			time.Sleep(batchEvery)
		}
		s := out.Status()
		if s.Dropped == 0 || s.Waiting == 0 || s.Connected || s.Error == "" {
			t.Errorf("%+v", s)
		}
		out.ring.lock.Lock()
		if out.ring.bytes > 64<<10 {
			t.Errorf("%d bytes wait", out.ring.bytes)
		}
		out.ring.lock.Unlock()
		b.become(b.good)
		time.Sleep(3 * time.Minute)
		stop()
		running.Wait()
		var last struct{ MQTT struct{ Dropped uint64 } }
		for i, topic := range b.topics {
			if strings.HasSuffix(topic, "/status") {
				_ = json.Unmarshal([]byte(b.got[i]), &last)
			}
		}
		if last.MQTT.Dropped < s.Dropped {
			t.Errorf("the status tells of %d dropped messages, there were %d", last.MQTT.Dropped, s.Dropped)
		}
	})
}

func TestAFloodOfFramesTakesNoMemory(t *testing.T) {
	f := NewFeed(New(Options{}), options())
	var many [4096]can.Event
	for range 100 {
		f.Take(many[:])
	}
	if len(f.taken) > mostTaken || f.lost != 100*4096-mostTaken {
		t.Errorf("%d wait, %d lost", len(f.taken), f.lost)
	}
}

// Nothing in the tree can subscribe.
func TestNothingSubscribes(t *testing.T) {
	call := regexp.MustCompile(`\.(Un)?[Ss]ubscribe\(|OnPublishReceived|packets\.SUBSCRIBE`)
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if found := call.Find(b); found != nil && !strings.HasSuffix(file, "_test.go") {
			t.Errorf("%s has %s", file, found)
		}
	}
}

func TestNamesInTopicsAreClean(t *testing.T) {
	for in, want := range map[string]string{"can0": "can0", "vcan.1": "vcan_1", "a/b+#$\x00\xff": "a_b_____", "probe:roof": "probe_roof"} {
		if got := name(in); got != want {
			t.Errorf("%q: %q, wanted %q", in, got, want)
		}
	}
}

// A message that a broker refuses for good costs itself, and nothing behind it.
func TestARefusedTopicIsToldAndPassedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &broker{over: make(chan struct{})}
		b.become(answersLike(b))
		var told []string
		var lock sync.Mutex
		out := New(Options{Dial: b.dial, Event: func(what string) { lock.Lock(); told = append(told, what); lock.Unlock() }})
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = out.Run(ctx) })
		for range 5 {
			out.Offer(Message{Topic: "forbidden", Payload: []byte("x")})
		}
		out.Offer(Message{Topic: "allowed", Payload: []byte("y")})
		time.Sleep(5 * time.Second)
		stop()
		running.Wait()
		if s := out.Status(); s.Refused != 5 || s.Sent != 1 || s.Waiting != 0 {
			t.Errorf("%+v", s)
		}
		if want := []string{"the broker refuses messages for forbidden: reason 135"}; !slices.Equal(told, want) {
			t.Errorf("%q", told)
		}
	})
}

func FuzzGuard(f *testing.F) {
	for _, row := range [][]byte{{0x20, 3, 0, 0, 0}, {0x40, 0xFF, 0xFF, 0xFF, 0xFF, 1}, {0xD0, 0, 0xE0, 0}} {
		f.Add(row)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		synctest.Test(t, func(t *testing.T) {
			g := newGuard(&canned{b})
			var got []byte
			p := make([]byte, 7)
			for {
				n, err := g.Read(p)
				got = append(got, p[:n]...)
				if err != nil {
					break
				}
			}
			if len(got) > 0 && got[0] != 0x20 {
				t.Errorf("%x let %x through", b, got)
			}
			if !strings.HasPrefix(string(b), string(got)) {
				t.Errorf("%x became %x", b, got)
			}
		})
	})
}

// A broker that was lost may have told others that this device is gone, and
// have forgotten what was retained.
func TestALostBrokerIsGreetedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &broker{over: make(chan struct{})}
		b.become(func(c net.Conn) {
			b.become(b.good)
			time.AfterFunc(5*time.Second, func() { c.Close() })
			b.good(c)
		})
		o := options()
		o.Discovery = []Sensor{{ID: "frames", Name: "Frames", Path: "frames"}}
		out := New(Options{Dial: b.dial})
		f := NewFeed(out, o)
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = f.Run(ctx) })
		running.Go(func() { _ = out.Run(ctx) })
		time.Sleep(30 * time.Second) // less than between two statuses
		stop()
		running.Wait()
		want := []string{"homeassistant/sensor/canseal_A1B2C3D4/frames/config", "can/A1B2C3D4/status"}
		want = slices.Concat(want, want)
		slices.Sort(want)
		if slices.Sort(b.topics); !slices.Equal(b.topics, want) {
			t.Errorf("published %q, wanted %q", b.topics, want)
		}
	})
}
