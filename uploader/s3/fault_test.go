package s3_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"canseal/internal/s3test"
	"canseal/uploader"
	"canseal/uploader/s3"
)

func TestScriptedFaults(t *testing.T) {
	for name, row := range map[string]struct {
		fault s3test.Fault
		want  uploader.Class
	}{
		"403 on the write":          {s3test.Fault{Status: 403, Code: "AccessDenied"}, uploader.Credentials},
		"503 with Retry-After":      {s3test.Fault{Status: 503, Code: "SlowDown", RetryAfter: 7 * time.Second}, uploader.Busy},
		"507":                       {s3test.Fault{Status: 507}, uploader.StoreFull},
		"cut in the middle":         {s3test.Fault{Effect: s3test.Cut, At: 100_000}, uploader.Network},
		"answer lost after storing": {s3test.Fault{Effect: s3test.Lose}, uploader.Confirmed},
		"early refusal":             {s3test.Fault{Effect: s3test.Early, Status: 503}, uploader.Busy},
		"another checksum":          {s3test.Fault{Effect: s3test.Falsify}, uploader.Transfer},
		"clock of the store":        {s3test.Fault{Effect: s3test.Skew, Delay: 20 * time.Minute}, uploader.Clock},
		"redirect":                  {s3test.Fault{Effect: s3test.Redirect, Location: "http://127.0.0.1:1/elsewhere"}, uploader.Config},
		"endless XML":               {s3test.Fault{Effect: s3test.Flood, At: 8 << 20}, uploader.Busy},
		"secrets given back":        {s3test.Fault{Effect: s3test.Echo}, uploader.Credentials},
		"a page of nginx":           {s3test.Fault{Status: 400, Body: "<html><h1>400 Bad Request</h1>No required SSL certificate was sent</html>"}, uploader.Config},
		"501 for If-None-Match":     {s3test.Fault{Status: 501, Header: "If-None-Match"}, uploader.Quirk},
	} {
		t.Run(name, func(t *testing.T) {
			w := fake(t, "low")
			row.fault.Method = http.MethodPut
			w.server.Script(row.fault)
			_, err := w.client(t).Create(t.Context(), object(key, random(300_000)))
			e := wantClass(t, err, row.want)
			if e.RetryAfter != row.fault.RetryAfter {
				t.Errorf("retry after %s", e.RetryAfter)
			}
			puts := 0
			for _, r := range w.server.Requests() {
				if r.Method == http.MethodPut {
					puts++
				}
			}
			if puts != 1 {
				t.Errorf("%d attempts: retries are not this package's", puts)
			}
		})
	}
}

func TestATakenKeyThatCannotBeRead(t *testing.T) {
	w := fake(t, "low")
	c := w.client(t)
	_, err := c.Create(t.Context(), object(key, random(10)))
	must(t, err)
	for status, want := range map[int]uploader.Class{403: uploader.CannotCompare, 404: uploader.CannotCompare, 503: uploader.Busy} {
		w.server.Script(s3test.Fault{Method: http.MethodHead, Status: status})
		_, err = c.Create(t.Context(), object(key, random(10)))
		wantClass(t, err, want)
	}
	w.server.Script(s3test.Fault{Method: http.MethodHead, Status: 403})
	_, err = c.Stat(t.Context(), key)
	wantClass(t, err, uploader.CannotTell)
}

// Stores that answer 403 for a missing key do not make a good pair bad.
func TestAMissingKeyHiddenBehind403(t *testing.T) {
	s, err := s3test.New(s3test.Options{Keys: map[string]string{access: secret}, Buckets: []string{bucket}, HideMissing: true})
	must(t, err)
	defer s.Close()
	c := world{url: s.URL, mode: "low"}.client(t)
	_, err = c.Stat(t.Context(), key)
	wantClass(t, err, uploader.CannotTell)
	_, err = c.Create(t.Context(), object(key, random(10)))
	must(t, err)
}

// Nothing that a store says may carry a secret further.
func TestNoSecretIsEchoed(t *testing.T) {
	for _, mode := range []string{"low", "medium"} {
		w := fake(t, mode)
		w.server.Script(s3test.Fault{Effect: s3test.Echo, Times: -1}, s3test.Fault{Effect: s3test.Echo, Times: -1, Code: access})
		c := w.client(t)
		report, err := c.Check(t.Context(), "A1B2C3D4/device.json", []byte("{}"))
		wantClass(t, err, uploader.Credentials)
		text, _ := json.Marshal(report)
		status, _ := json.Marshal(c.Status())
		all := fmt.Sprintf("%v %+v %s %s", err, err, text, status)
		for _, word := range []string{access, secret, "Authorization", "AWS4", "Signature="} {
			if strings.Contains(all, word) {
				t.Errorf("%s: found %s in %s", mode, word, all)
			}
		}
		if len(report.Message) > 4<<10 || !strings.HasPrefix(report.Message, `"`) {
			t.Errorf("message for the terminal: %q", report.Message)
		}
	}
	w := fake(t, "low")
	w.server.Script(s3test.Fault{Status: 400, Code: access}, s3test.Fault{Status: 400, Code: "a code with blanks"})
	for range 2 {
		_, err := w.client(t).Replace(t.Context(), object(key, random(5)))
		if e := wantClass(t, err, uploader.Unknown); e.Code != "" {
			t.Errorf("code %q is kept", e.Code)
		}
	}
}

// An answer that is not HTTP is quoted by net/http; it must not be by us.
func TestNonsenseIsNotQuoted(t *testing.T) {
	l := tlsListener(t, nil)
	go serve(l, func(c net.Conn) {
		c.Read(make([]byte, 4096))
		io.WriteString(c, "nonsense "+access+"\r\n\r\n")
	})
	_, err := world{url: "http://" + l.Addr().String(), mode: "low"}.client(t).Replace(t.Context(), object(key, random(5)))
	wantClass(t, err, uploader.Network)
	if strings.Contains(err.Error(), access) || strings.Contains(err.Error(), "nonsense") {
		t.Error(err)
	}
}

func TestAnUnreadableFileIsNotANetworkFault(t *testing.T) {
	w := fake(t, "low")
	o := object(key, random(200_000))
	o.Body = &failing{Reader: bytes.NewReader(random(200_000)), after: 100_000}
	_, err := w.client(t).Create(t.Context(), o)
	wantClass(t, err, uploader.Transfer)
	if !errors.Is(err, errCard) {
		t.Error(err)
	}
	o = object(key, random(1000))
	o.Size = 2000 // the file has become shorter
	_, err = w.client(t).Create(t.Context(), o)
	wantClass(t, err, uploader.Transfer)
}

var errCard = errors.New("input/output error")

type failing struct {
	*bytes.Reader
	after int
}

func (f *failing) Read(p []byte) (int, error) {
	if f.after <= 0 {
		return 0, errCard
	}
	n, err := f.Reader.Read(p[:min(len(p), f.after)])
	f.after -= n
	return n, err
}

func (f *failing) Seek(offset int64, whence int) (int64, error) { return f.Reader.Seek(offset, whence) }

func TestSkewIsTakenFromVerifiedServersOnly(t *testing.T) {
	for mode, want := range map[string]bool{"low": false, "medium": true} {
		w := fake(t, mode)
		w.server.Script(s3test.Fault{Effect: s3test.Skew, Delay: 5 * time.Minute, Times: -1})
		c := w.client(t)
		_, err := c.Create(t.Context(), object(key, random(5)))
		must(t, err)
		skew, ok := c.Skew()
		if ok != want || ok && (skew < 298*time.Second || skew > 301*time.Second) {
			t.Errorf("%s: skew %s, %v", mode, skew, ok)
		}
	}
}

func TestOnlyVerifiedAcceptedWritesCountForTheTrustFloor(t *testing.T) {
	for mode, want := range map[string]int{"low": 0, "medium": 1} {
		w, n := fake(t, mode), 0
		c := w.client(t, func(o *s3.Options) { o.Accepted = func() { n++ } })
		_, err := c.Create(t.Context(), object(key, random(5)))
		must(t, err)
		w.server.Script(s3test.Fault{Status: 403})
		_, err = c.Create(t.Context(), object(key, random(5)))
		wantClass(t, err, uploader.Credentials)
		if n != want {
			t.Errorf("%s: %d accepted writes, want %d", mode, n, want)
		}
	}
}

func TestCheckReportsHandshakeAndWrite(t *testing.T) {
	everywhere(t, func(t *testing.T, w world) {
		c := w.client(t)
		r, err := c.Check(t.Context(), "A1B2C3D4/device.json", []byte(`{"v":1}`))
		must(t, err)
		if !r.Stored || r.Checksum != base64sum([]byte(`{"v":1}`)) || r.Endpoint != w.url || r.Class != "" {
			t.Errorf("%+v", r)
		}
		if w.mode == "low" {
			if r.Proved != "plain" || r.Chain != nil || r.SkewMillis != nil {
				t.Errorf("%+v", r)
			}
			return
		}
		if r.Proved != "tls" || r.Version != "TLS 1.3" || len(r.Chain) != 2 || r.DaysLeft < 58 || r.SkewMillis == nil {
			t.Errorf("%+v", r)
		}
	})
}

// piped gives a client whose connections are pipes served by with, for tests
// in virtual time.
func piped(t *testing.T, stall time.Duration, with func(net.Conn)) *s3.Client {
	w := world{url: "http://store.example:9000", mode: "low"}
	return w.client(t, func(o *s3.Options) {
		o.Stall = stall
		o.Dial = pipeTo(with)
	})
}

func TestASilentStoreEndsTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := piped(t, time.Minute, func(s net.Conn) { io.Copy(io.Discard, s) })
		start := time.Now()
		_, err := c.Replace(t.Context(), object(key, random(100_000)))
		wantClass(t, err, uploader.Network)
		if d := time.Since(start); d < 59*time.Second || d > 62*time.Second {
			t.Errorf("it took %s", d)
		}
		c.Close()
	})
}

func TestAStoreThatStopsReadingEndsTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		defer close(end)
		c := piped(t, time.Minute, func(s net.Conn) {
			io.CopyN(io.Discard, s, 50_000)
			<-end
		})
		start := time.Now()
		_, err := c.Replace(t.Context(), object(key, random(800_000)))
		wantClass(t, err, uploader.Network)
		if d := time.Since(start); d > 80*time.Second {
			t.Errorf("it took %s", d)
		}
		c.Close()
	})
}

func TestASlowLinkIsPatientlyUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		c := piped(t, time.Minute, func(s net.Conn) {
			req, err := http.ReadRequest(bufio.NewReaderSize(slowly{s}, 16))
			if err != nil {
				return
			}
			io.Copy(io.Discard, req.Body)
			io.WriteString(s, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nETag: \"x\"\r\n\r\n")
			io.Copy(io.Discard, s)
		})
		_, err := c.Replace(t.Context(), object(key, random(800_000)))
		must(t, err)
		if d := time.Since(start); d < time.Hour {
			t.Errorf("it took %s only", d)
		}
		c.Close()
	})
}

// slowly reads 10 kB each 50 s.
type slowly struct{ io.Reader }

func (s slowly) Read(p []byte) (int, error) {
	time.Sleep(50 * time.Second * time.Duration(min(len(p), 10_000)) / 10_000)
	return io.ReadAtLeast(s.Reader, p[:min(len(p), 10_000)], 1)
}

func TestCookiesAreNotKept(t *testing.T) {
	w := fake(t, "low")
	seen := make(chan string, 4)
	l := tlsListener(t, nil)
	go http.Serve(l, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		seen <- r.Header.Get("Cookie")
		http.SetCookie(rw, &http.Cookie{Name: "a", Value: "b"})
		io.Copy(io.Discard, r.Body)
	}))
	w.url = "http://" + l.Addr().String()
	c := w.client(t)
	for range 2 {
		c.Replace(t.Context(), object(key, random(3)))
		if got := <-seen; got != "" {
			t.Errorf("cookie %q", got)
		}
	}
}
