package s3

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"canseal/internal/durable"
	"canseal/internal/durable/memfs"
)

func entry(n int) remembered {
	return remembered{endpointKey: endpointKey{fmt.Sprintf("https://store%d:443", n), "store", strings.Repeat("a", 64), "compat"},
		Attempt: "DHE", Rank: 2, Version: 771, Suite: 0x9e, ForwardSecret: true, Identity: strings.Repeat("b", 64), Walked: time.Unix(1e9, 0).UTC()}
}

// Many endpoints, one after the other, never make the file large, and what was
// learned is read again.
func TestTheMemoryIsBounded(t *testing.T) {
	state := memfs.New()
	m := OpenMemory(state, true, nil)
	for n := range 5 * memoryEndpoints {
		m.learn(entry(n))
	}
	text, err := durable.ReadFile(state, MemoryFile, memoryLimit)
	if err != nil || len(text) > memoryLimit/4 {
		t.Fatalf("%d bytes, %v", len(text), err)
	}
	again := OpenMemory(state, false, nil)
	last := entry(5*memoryEndpoints - 1)
	if got := again.of(last.endpointKey); got != last {
		t.Errorf("read again: %+v", got)
	}
	if got := again.of(entry(0).endpointKey); got.Attempt != "" {
		t.Errorf("the first is still there: %+v", got)
	}
	again.learn(entry(0)) // it only reads
	if now, err := durable.ReadFile(state, MemoryFile, memoryLimit); err != nil || string(now) != string(text) {
		t.Errorf("a memory that is only read was written: %v", err)
	}
}

func FuzzMemory(f *testing.F) {
	f.Add([]byte(`{"v":1,"endpoints":[{"endpoint":"https://a:443","name":"a","bundle":"system","profile":"compat","attempt":"DHE","rank":2,"walked":"2026-01-01T00:00:00Z"}]}`))
	f.Add([]byte(`{"v":1,"endpoints":[{"rank":-1,"walked":"9999-12-31T23:59:59Z","refusals":9223372036854775807}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := parseMemory(b)
		if err != nil && list != nil || len(list) > memoryEndpoints {
			t.Fatalf("%d entries, %v", len(list), err)
		}
		for _, r := range list {
			if r.Rank < 0 || r.Rank > 2 || len(r.Endpoint) > memoryText {
				t.Errorf("%+v", r)
			}
			r.patient(time.Now())
		}
	})
}
