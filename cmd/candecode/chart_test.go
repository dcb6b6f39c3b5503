package main

import (
	"fmt"
	"image"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"canseal/can"
	"canseal/mdf"
)

// evil is a DBC file whose names would like to be more than names.
const evil = `BO_ 256 </script><script>document.title='owned'</script>: 8 X
 SG_ <img/src=x/onerror=document.title='owned'> : 0|16@1+ (1,0) [0|0] "<b>km/h</b>" X
 SG_ Gear : 16|8@1+ (1,0) [0|0] "" X
 SG_ <!--<script> : 24|8@1- (1,0) [0|0] "</style>" X
CM_ SG_ 256 Gear "</script><script>document.title='owned'</script>";
VAL_ 256 Gear 0 "<i>neutral</i>" 1 "first\u0022><script>document.title='owned'</script>" 2 "second" ;
`

var chartBegin = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC).UnixNano()

// drive writes ten seconds, a frame each 10 ms: authentic, but for the second
// from 2 s on, which was signed wrongly, and that from 4 s on, which is ciphertext; from
// 6 s to 8 s nothing was recorded. At 9 s stands a single peak.
func drive(t *testing.T, dir string) (log, dbc string) {
	t.Helper()
	log, dbc = filepath.Join(dir, "drive.mf4"), filepath.Join(dir, "evil.dbc")
	f, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := mdf.Create(segmentFile{f}, mdf.Header{Start: chartBegin, Device: "A1B2C3D4", Session: 7, Split: 1, Version: "0.1.0", BootID: "one"})
	if err != nil {
		t.Fatal(err)
	}
	clock := mdf.Clock{Time: chartBegin, Wall: chartBegin, Boot: 1e9, Synchronised: true}
	w.Append(clock)
	for i := range int64(1000) {
		if second := i / 100; second != 6 && second != 7 {
			w.Append(driven(i, second))
		}
	}
	w.Append(mdf.Gap{Time: chartBegin + 8e9, From: chartBegin + 6e9, To: chartBegin + 8e9, Count: 200, Bus: 1, Reason: can.LostQueue})
	clock.Time, clock.Wall, clock.Boot = chartBegin+10e9, chartBegin+10e9, 11e9
	if err := w.Finish(clock); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dbc, []byte(evil), 0o666); err != nil {
		t.Fatal(err)
	}
	return log, dbc
}

func driven(i, second int64) *mdf.Frame {
	frame := &mdf.Frame{Encrypted: second == 4}
	value := i
	if i == 900 {
		value = 60000
	}
	frame.Event = can.Event{Time: chartBegin + i*1e7, Bus: 1, Verdict: can.Authentic, Frame: can.Frame{
		ID: 0x100, DLC: 8, Len: 8, Data: [64]byte{byte(value), byte(value >> 8), byte(second % 3), byte(i)},
	}}
	if second == 2 {
		frame.Verdict = can.SignatureWrong
	}
	return frame
}

// rectangle is where an element stands on the page.
type rectangle struct{ X, Y, Width, Height float64 }

func (b *browser) where(selector string) (r rectangle) {
	b.t.Helper()
	b.eval(fmt.Sprintf(`document.querySelector(%q).getBoundingClientRect().toJSON()`, selector), &r)
	return r
}

func TestThePageOfSignalsInABrowser(t *testing.T) {
	dir := t.TempDir()
	log, dbc := drive(t, dir)
	page := filepath.Join(dir, "out.html")
	candecode(t, "--dbc", dbc, "--plot", page, log)
	b := newBrowser(t)
	b.open(page)

	t.Run("names stay names", func(t *testing.T) {
		var found struct {
			Title, Name, Unit string
			Made              int
		}
		b.eval(`({title: document.title, name: document.querySelector(".name bdi").textContent, unit: document.querySelectorAll(".name bdi")[1].textContent,
			made: document.querySelectorAll("img, script:not(#data), b, iframe, object, link").length})`, &found)
		if found.Title != "out" || found.Made != 1 { // the script of the page itself
			t.Errorf("title %q, %d elements", found.Title, found.Made)
		}
		if found.Name != "<img/src=x/onerror=document.title='owned'>" || found.Unit != "<b>km/h</b>" {
			t.Errorf("name %q, unit %q", found.Name, found.Unit)
		}
		if len(b.asked) != 1 || !strings.HasPrefix(b.asked[0], "file://") {
			t.Errorf("the browser asked for %v, wanted the page alone", b.asked)
		}
	})

	chart := b.where("canvas")
	at := func(second float64) float64 { // the view has 2 % on either side
		return chart.X + 64 + (second+0.1998)/(9.99*1.04)*(chart.Width-64)
	}
	t.Run("stretches are shaded", func(t *testing.T) {
		p := b.picture()
		y := int(chart.Y) + 30
		for second, want := range map[float64]string{1.5: "plain", 2.5: "red", 4.5: "violet", 7: "grey", 9.5: "plain"} {
			if got := hue(p, int(at(second)), y); got != want {
				t.Errorf("at %v s: %s, wanted %s", second, got, want)
			}
		}
	})

	t.Run("the cursor tells values, texts and times", func(t *testing.T) {
		for second, want := range map[float64][]string{
			2.5: {"2026-11-20 12:00:02.500000  250 <b>km/h</b>  [signature wrong]", "second (2)"},
			7.9: {"2026-11-20 12:00:08.000000", "[frames missing: own queue]"},
		} {
			b.mouse("mouseMoved", at(second), chart.Y+50, nil)
			b.settle()
			var told string
			b.eval(`[...document.querySelectorAll(".value")].map(e => e.textContent).join("\n")`, &told)
			for _, w := range want {
				if !strings.Contains(told, w) {
					t.Errorf("at %v s:\n%s\nwanted %s", second, told, w)
				}
			}
		}
	})

	t.Run("zoom, pan, all", func(t *testing.T) {
		view := func() (text string) {
			b.settle()
			b.eval(`document.querySelector(".range").textContent`, &text)
			return text
		}
		whole := view()
		for range 20 {
			b.mouse("mouseWheel", at(9), chart.Y+50, map[string]any{"deltaX": 0, "deltaY": -100, "modifiers": 2})
		}
		near := view()
		if !strings.HasPrefix(near, "2026-11-20 12:00:08.") || !strings.Contains(near, "2026-11-20 12:00:09.0") {
			t.Errorf("zoomed in: %s", near)
		}
		b.mouse("mousePressed", chart.X+300, chart.Y+50, map[string]any{"button": "left", "buttons": 1, "clickCount": 1})
		b.mouse("mouseMoved", chart.X+500, chart.Y+50, map[string]any{"button": "left", "buttons": 1})
		b.mouse("mouseReleased", chart.X+500, chart.Y+50, map[string]any{"button": "left", "clickCount": 1})
		if moved := view(); moved >= near {
			t.Errorf("dragged to the right: from %s to %s", near, moved)
		}
		b.eval(`[...document.querySelectorAll("button")].find(b => b.textContent === "all").click()`, nil)
		if all := view(); all != whole {
			t.Errorf("all: %s, wanted %s", all, whole)
		}
	})
}

// hue names the colour of a pixel roughly.
func hue(p image.Image, x, y int) string {
	r, g, b, _ := p.At(x, y).RGBA()
	r, g, b = r>>8, g>>8, b>>8
	near := func(a, b uint32) bool { return max(a, b)-min(a, b) < 12 }
	switch {
	case r > 240 && g > 240 && b > 240:
		return "plain"
	case near(r, g) && near(g, b):
		return "grey"
	case r > g+30 && near(g, b):
		return "red"
	case b > g+30 && r > g+10:
		return "violet"
	}
	return fmt.Sprintf("%d, %d, %d", r, g, b)
}

func TestAPageDoesNotGrowWithTheRecording(t *testing.T) {
	dir := t.TempDir()
	dbc := filepath.Join(dir, "a.dbc")
	os.WriteFile(dbc, []byte("BO_ 256 M: 8 X\n SG_ Level : 0|32@1+ (1,0) [0|0] \"\" X\n"), 0o666)
	log, err := os.Create(filepath.Join(dir, "long.log"))
	if err != nil {
		t.Fatal(err)
	}
	const n, peak = 400_000, 123_457
	for i := range n {
		value := uint32(i % 100)
		if i == peak {
			value = 0xffff
		}
		fmt.Fprintf(log, "(%d.%06d) can0 100#%02X%02X000000000000\n", 1735343998+i/1000, i%1000*1000, value&0xff, value>>8)
	}
	log.Close()
	page := filepath.Join(dir, "out.html")
	candecode(t, "-q", "--dbc", dbc, "--plot", page, log.Name())
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > 4<<20 || !strings.Contains(string(text), "65535") {
		t.Errorf("%d bytes; the only peak is there: %v", len(text), strings.Contains(string(text), "65535"))
	}
}
