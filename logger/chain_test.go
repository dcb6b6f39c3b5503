package logger

import (
	"strings"
	"testing"

	"canseal/internal/durable/memfs"
	"canseal/segment"
)

func TestTheChainGoesOnFromItsEnd(t *testing.T) {
	hash := func(c string) string { return strings.Repeat(c, 64) }
	card := newCardLines()
	card.next = map[string]string{segment.FirstPrev: hash("a"), hash("a"): hash("b"), hash("b"): hash("c")}
	card.hashes = []string{hash("a"), hash("b"), hash("c")}
	card.dropped = 4
	for _, row := range []struct {
		name  string
		kept  chain
		known bool
		card  *cardLines
		want  chain
	}{
		{"in step", chain{hash("c"), 9, 5}, true, card, chain{hash("c"), 9, 5}},
		{"a line behind", chain{hash("b"), 8, 4}, true, card, chain{hash("c"), 9, 4}},
		{"two lines behind", chain{hash("a"), 7, 4}, true, card, chain{hash("c"), 9, 4}},
		{"dropped behind", chain{hash("c"), 9, 3}, true, card, chain{hash("c"), 9, 4}},
		{"lost", chain{Head: segment.FirstPrev}, false, card, chain{hash("c"), 3, 4}},
		{"another card", chain{hash("f"), 9, 5}, true, card, chain{hash("f"), 9, 5}},
		{"an empty card", chain{hash("f"), 9, 5}, true, newCardLines(), chain{hash("f"), 9, 5}},
		{"first ever", chain{Head: segment.FirstPrev}, false, newCardLines(), chain{Head: segment.FirstPrev}},
	} {
		if got := row.kept.resume(row.known, row.card); got != row.want {
			t.Errorf("%s: found %+v, wanted %+v", row.name, got, row.want)
		}
	}
}

func TestStateSealOfAnyContentIsTakenOrRefused(t *testing.T) {
	state := memfs.New()
	if c, known, err := loadChain(state); err != nil || known || c.Head != segment.FirstPrev {
		t.Errorf("absent: found %+v, %v, %v", c, known, err)
	}
	want := chain{strings.Repeat("5", 64), 12, 1}
	if err := want.save(state); err != nil {
		t.Fatal(err)
	}
	if c, known, err := loadChain(state); err != nil || !known || c != want {
		t.Errorf("saved: found %+v, %v, %v", c, known, err)
	}
	for _, text := range []string{"", "{", `{"head":"ABC"}`, `{"lines":-1}`, strings.Repeat("x", 5000)} {
		put(t, state, "seal", text)
		if c, known, err := loadChain(state); err == nil || known || c.Head != segment.FirstPrev {
			t.Errorf("%.20q: found %+v, %v, %v", text, c, known, err)
		}
	}
}
