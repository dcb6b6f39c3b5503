package plot

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestASeriesKeepsItsExtremesAndEnds(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 7, 256, 1000, 12345, 300_001} {
		p := New(Options{Points: 1024, Series: 2})
		s := p.Axis("x", false).Lane("m", 1).Series(Signal{Name: "s"})
		var low, high point
		for i := range n {
			v := point{int64(i) * 1e6, random.NormFloat64()}
			if i == 0 || v.v < low.v {
				low = v
			}
			if i == 0 || v.v > high.v {
				high = v
			}
			s.Add(v.t, v.v)
			if len(s.points) > 1024 || cap(s.points) > 4096 {
				t.Fatalf("%d points after %d values", len(s.points), i)
			}
		}
		s.Add(0, math.NaN())
		found := map[point]bool{}
		points := s.done()
		for _, x := range points {
			found[x] = true
		}
		if !found[low] || !found[high] || points[0].t != 0 || points[len(points)-1].t != int64(n-1)*1e6 {
			t.Errorf("%d values: %d points, the lowest %v, the highest %v, from %d to %d", n, len(points), found[low], found[high], points[0].t, points[len(points)-1].t)
		}
		if n <= 256 && len(points) != n || s.Count != uint64(n) || s.Odd != 1 {
			t.Errorf("%d values: %d points, %d counted, %d odd", n, len(points), s.Count, s.Odd)
		}
	}
}

func TestStretchesAreJoinedWhereTheyAreClosest(t *testing.T) {
	var s stretches
	for i := range int64(100_000) {
		at := i * 1e6
		if i >= 50_000 {
			at += 1e15
		}
		s.add(Stretch{at, at + 1000, Gap, "gap"})
	}
	s.add(Stretch{5e10, 5e10, Refuted, "wrong"})
	s.join(2)
	if len(s) != 2 || s[0].From != 0 || s[1].From < 1e15 || s[0].Colour != Gap && s[0].Colour != Refuted {
		t.Errorf("%v", s)
	}
	if s[0].To >= 1e15 || s[0].Colour != Refuted && s[1].Colour != Refuted {
		t.Errorf("%v", s)
	}
}

func TestAPageIsOneFileThatEscapesWhatItShows(t *testing.T) {
	const evil = "</script><script>alert(1)</script><!--\u2028\xff"
	p := New(Options{Title: evil, Series: 1})
	p.Note("%s", evil)
	a := p.Axis(evil, false)
	l := a.Lane(evil, 1)
	l.About(evil)
	s := l.Series(Signal{evil, evil, evil, []Text{{1, evil}}})
	if more := l.Series(Signal{Name: "second"}); more != nil || p.More != 1 || len(p.LeftOut) != 1 {
		t.Errorf("%v, %d, %v", more, p.More, p.LeftOut)
	}
	for i := range int64(3) {
		l.Row(i*1e9, Refuted, evil)
		s.Add(i*1e9, float64(i))
	}
	a.Shade(1, Stretch{0, 1e9, Gap, evil})
	a.Shade(2, Stretch{0, 1e9, Gap, "of another bus"})
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	if n := strings.Count(strings.ToLower(text), "<script"); n != 2 {
		t.Errorf("%d scripts, wanted the data and the page's own", n)
	}
	if strings.Contains(text, "://") || strings.Contains(text, "of another bus") || strings.Contains(text, "<!--") {
		t.Error("the page asks for something, or shows what is not its own")
	}
	_, after, _ := strings.Cut(text, `id="data">`)
	inside, _, _ := strings.Cut(after, "</script>")
	var d data
	if err := json.Unmarshal([]byte(inside), &d); err != nil || len(d.Axes) != 1 || len(d.Axes[0].Lanes[0].Series[0].V) != 3 {
		t.Errorf("%v: %s", err, inside)
	}
}
