package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"image"
	"image/png"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"
)

// browser is a real one without a screen, driven through two pipes by the
// DevTools protocol: JSON messages, each ended by a zero byte.
type browser struct {
	t       *testing.T
	to      io.Writer
	from    *bufio.Reader
	next    int
	session string
	asked   []string // URLs that it asked for
}

// newBrowser starts a browser; it ends with the test.
func newBrowser(t *testing.T) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium-headless-shell")
	if err != nil {
		absent(t, "peers", "chromium-headless-shell", err)
	}
	dir, err := os.MkdirTemp("", "candecode-browser-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // its processes end one after the other, and write to the last
		for deadline := time.Now().Add(10 * time.Second); os.RemoveAll(dir) != nil && time.Now().Before(deadline); {
			time.Sleep(10 * time.Millisecond)
		}
	})
	cmd := exec.Command(path, "--no-sandbox", "--remote-debugging-pipe", "--user-data-dir="+dir, "--window-size=1000,900", "about:blank")
	theirIn, in := pipe(t)
	out, theirOut := pipe(t)
	cmd.ExtraFiles = []*os.File{theirIn, theirOut}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirIn.Close()
	theirOut.Close()
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	out.SetReadDeadline(time.Now().Add(time.Minute))
	b := &browser{t: t, to: in, from: bufio.NewReader(out)}
	var target struct{ TargetID string }
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	b.call("Network.enable", nil, nil)
	b.call("Page.enable", nil, nil)
	return b
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.Close()
		w.Close()
	})
	return r, w
}

// call has the browser do something.
func (b *browser) call(method string, params, result any) {
	b.t.Helper()
	b.next++
	if params == nil {
		params = map[string]any{}
	}
	text, err := json.Marshal(map[string]any{"id": b.next, "method": method, "params": params, "sessionId": b.session})
	if b.session == "" {
		text, err = json.Marshal(map[string]any{"id": b.next, "method": method, "params": params})
	}
	if err == nil {
		_, err = b.to.Write(append(text, 0))
	}
	if err != nil {
		b.t.Fatal(err)
	}
	for {
		answer := b.read()
		if answer.ID != b.next {
			continue
		}
		if answer.Error != nil {
			b.t.Fatalf("%s: %s", method, answer.Error)
		}
		if result != nil {
			if err := json.Unmarshal(answer.Result, result); err != nil {
				b.t.Fatal(err)
			}
		}
		return
	}
}

type browserMessage struct {
	ID            int
	Method        string
	Result, Error json.RawMessage
	Params        struct{ Request struct{ URL string } }
}

func (b *browser) read() (m browserMessage) {
	b.t.Helper()
	text, err := b.from.ReadBytes(0)
	if err == nil {
		err = json.Unmarshal(bytes.TrimRight(text, "\x00"), &m)
	}
	if err != nil {
		b.t.Fatalf("the browser: %v", err)
	}
	if m.Method == "Network.requestWillBeSent" {
		b.asked = append(b.asked, m.Params.Request.URL)
	}
	return m
}

// open shows a page that says when it is ready.
func (b *browser) open(file string) {
	b.t.Helper()
	b.call("Page.navigate", map[string]any{"url": "file://" + file}, nil)
	b.until(`document.documentElement?.dataset.state === "ready"`)
	b.settle()
}

// settle waits until what is drawn next has been drawn.
func (b *browser) settle() {
	b.t.Helper()
	b.eval(`new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(0))))`, nil)
}

func (b *browser) until(condition string) {
	b.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for holds := false; !holds; b.eval(condition, &holds) {
		if time.Now().After(deadline) {
			b.t.Fatalf("never: %s", condition)
		}
	}
}

// eval has the page work something out.
func (b *browser) eval(expression string, value any) {
	b.t.Helper()
	var answer struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails json.RawMessage
	}
	b.call("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true, "awaitPromise": true}, &answer)
	if answer.ExceptionDetails != nil {
		b.t.Fatalf("%s: %s", expression, answer.ExceptionDetails)
	}
	if value != nil {
		if err := json.Unmarshal(answer.Result.Value, value); err != nil {
			b.t.Fatalf("%s: %v", expression, err)
		}
	}
}

// mouse does one thing with the mouse at a place of the page.
func (b *browser) mouse(kind string, x, y float64, more map[string]any) {
	b.t.Helper()
	params := map[string]any{"type": kind, "x": x, "y": y}
	for name, value := range more {
		params[name] = value
	}
	b.call("Input.dispatchMouseEvent", params, nil)
}

// picture shows what can be seen.
func (b *browser) picture() image.Image {
	b.t.Helper()
	var shot struct{ Data string }
	b.call("Page.captureScreenshot", nil, &shot)
	data, err := base64.StdEncoding.DecodeString(shot.Data)
	if err != nil {
		b.t.Fatal(err)
	}
	picture, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		b.t.Fatal(err)
	}
	return picture
}
