package s3test_test

import (
	"bytes"
	"crypto/tls"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"canseal/internal/s3test"
)

// ours starts a store in memory with a client for it.
func ours(t *testing.T, o s3test.Options) (*s3test.Server, *peer) {
	t.Helper()
	if o.Keys == nil {
		o.Keys = map[string]string{goodAccess: goodSecret}
	}
	if o.Buckets == nil {
		o.Buckets = []string{"trucks"}
	}
	s := start(t, o)
	return s, &peer{t, "s3test", s.URL, false, client(t)}
}

// Each fault, the answer to a PUT that meets it, and whether the object is
// there afterwards.
func TestFaultsDoWhatTheySay(t *testing.T) {
	big := random(3 << 20)
	once := map[string]string{"If-None-Match": "*", "X-Amz-Checksum-Sha256": sha(big)}
	for _, row := range []struct {
		name   string
		fault  s3test.Fault
		want   string
		stored bool
	}{
		{"403", s3test.Fault{Status: 403}, "403 AccessDenied", false},
		{"412", s3test.Fault{Status: 412}, "412 PreconditionFailed", false},
		{"500", s3test.Fault{Status: 500}, "500 InternalError", false},
		{"503", s3test.Fault{Status: 503, RetryAfter: 7 * time.Second}, "503 SlowDown", false},
		{"507", s3test.Fault{Status: 507}, "507 XMinioStorageFull", false},
		{"501 for If-None-Match", s3test.Fault{Status: 501, Header: "If-None-Match"}, "501 NotImplemented", false},
		{"another header", s3test.Fault{Status: 501, Header: "If-Match"}, "200", true},
		{"another method", s3test.Fault{Status: 500, Method: "GET"}, "200", true},
		{"another key", s3test.Fault{Status: 500, Key: "other"}, "200", true},
		{"the next request but one", s3test.Fault{Status: 500, Skip: 1}, "200", true},
		{"nginx", s3test.Fault{Status: 400, Body: "<html>No required SSL certificate was sent</html>"}, "400", false},
		{"early answer", s3test.Fault{Effect: s3test.Early, Status: 403}, "403 AccessDenied", false},
		{"cut at once", s3test.Fault{Effect: s3test.Cut}, "reset", false},
		{"cut in the middle", s3test.Fault{Effect: s3test.Cut, At: 1 << 20}, "reset", false},
		{"lost answer", s3test.Fault{Effect: s3test.Lose}, "reset", true},
		{"slow", s3test.Fault{Effect: s3test.Slow, At: 1 << 20, Delay: time.Millisecond}, "200", true},
		{"a short stall", s3test.Fault{Effect: s3test.Stall, At: 1000, Delay: time.Millisecond}, "200", true},
		{"forged", s3test.Fault{Effect: s3test.Forge}, "200", false},
		{"false checksum", s3test.Fault{Effect: s3test.Falsify}, "200", true},
		{"clock", s3test.Fault{Effect: s3test.Skew, Delay: time.Hour}, "403 RequestTimeTooSkewed", false},
		{"redirect", s3test.Fault{Effect: s3test.Redirect, Location: "http://elsewhere/"}, "301 Scripted", false},
		{"flood", s3test.Fault{Effect: s3test.Flood, At: 2 << 20}, "500", false},
		{"echo", s3test.Fault{Effect: s3test.Echo}, "403 SignatureDoesNotMatch", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			s, p := ours(t, s3test.Options{})
			s.Script(row.fault)
			a := p.send(call{key: "k", body: big, kind: streamed, header: once})
			early := row.fault.Effect == s3test.Early && a.text == "reset" // the answer may drown in a reset
			if a.text != row.want && !early {
				t.Errorf("answer %q, want %q", a.text, row.want)
			}
			o, err := s.Object("trucks", "k")
			if (err == nil) != row.stored {
				t.Errorf("stored: %v, want %v", err == nil, row.stored)
			}
			if err == nil {
				if body, _ := o.Body(); !bytes.Equal(body, big) {
					t.Error("other bytes were stored")
				}
			}
			wantDetails(t, row.fault, a, big)
		})
	}
}

func wantDetails(t *testing.T, f s3test.Fault, a answer, body []byte) {
	t.Helper()
	switch {
	case f.RetryAfter > 0 && a.header.Get("Retry-After") != "7":
		t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
	case f.Effect == s3test.Falsify && a.header.Get("X-Amz-Checksum-Sha256") == sha(body):
		t.Error("the checksum is right")
	case f.Effect == s3test.Forge && a.header.Get("X-Amz-Checksum-Sha256") != sha(body):
		t.Error("the forged answer names no checksum")
	case f.Effect == s3test.Redirect && a.header.Get("Location") != f.Location:
		t.Errorf("Location %q", a.header.Get("Location"))
	case f.Effect == s3test.Flood && int64(len(a.body)) != f.At:
		t.Errorf("%d bytes, want %d", len(a.body), f.At)
	case f.Effect == s3test.Echo && (!bytes.Contains(a.body, []byte(goodSecret)) || !bytes.Contains(a.body, []byte("Signature="))):
		t.Errorf("nothing secret in %s", a.body)
	}
}

func TestFaultsEndAfterTheirTurnsOrWhenHealed(t *testing.T) {
	s, p := ours(t, s3test.Options{})
	s.Script(s3test.Fault{Status: 500, Times: 2}, s3test.Fault{Status: 503, Skip: 1}, s3test.Fault{Status: 403, Method: "GET", Times: -1})
	var got []string
	for range 5 {
		got = append(got, p.send(call{key: "k", body: hello}).text)
	}
	if want := "500 InternalError, 500 InternalError, 200, 503 SlowDown, 200"; strings.Join(got, ", ") != want {
		t.Errorf("answers %v, want %s", got, want)
	}
	if _, ok := p.object("k"); ok {
		t.Error("read in spite of a fault for ever")
	}
	s.Heal()
	if _, ok := p.object("k"); !ok {
		t.Error("not read after healing")
	}
}

func TestIgnoredConditionOverwrites(t *testing.T) {
	s, p := ours(t, s3test.Options{})
	s.Script(s3test.Fault{Effect: s3test.Ignore, Skip: 1})
	once := map[string]string{"If-None-Match": "*"}
	p.send(call{key: "k", body: hello, header: once})
	if got := p.send(call{key: "k", body: []byte("other"), header: once}).text; got != "200" {
		t.Errorf("answer %s", got)
	}
	if body, _ := p.object("k"); string(body) != "other" {
		t.Errorf("object %q", body)
	}
}

func TestAStallEndsWithTheStore(t *testing.T) {
	s, p := ours(t, s3test.Options{})
	s.Script(s3test.Fault{Effect: s3test.Stall})
	done := make(chan string)
	go func() { done <- p.send(call{key: "k", body: hello}).text }()
	until(t, "the request has arrived", func() bool { return s.Count() > 0 })
	s.Close()
	if got := <-done; got != "reset" {
		t.Errorf("answer %s", got)
	}
}

// until waits for a condition.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}

func TestMissingKeysCanBeHidden(t *testing.T) {
	_, p := ours(t, s3test.Options{HideMissing: true})
	if got := p.send(call{method: "HEAD", key: "k"}).text; got != "403" {
		t.Errorf("HEAD %s", got)
	}
	if got := p.send(call{method: "GET", key: "k"}).text; got != "403 AccessDenied" {
		t.Errorf("GET %s", got)
	}
}

func TestOnlyOneOfManyCreates(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		s, p := ours(t, s3test.Options{Dir: dir})
		// All bodies are on their way before one is whole: each has seen a free key.
		s.Script(s3test.Fault{Effect: s3test.Slow, At: 50, Delay: 20 * time.Millisecond, Times: -1})
		var wg sync.WaitGroup
		answers := make(chan string, 8)
		for i := range cap(answers) {
			wg.Go(func() {
				answers <- p.send(call{key: "k", body: random(200 + i), header: map[string]string{"If-None-Match": "*"}}).text
			})
		}
		wg.Wait()
		close(answers)
		count := map[string]int{}
		for a := range answers {
			count[a]++
		}
		if count["200"] != 1 || count["412 PreconditionFailed"] != 7 {
			t.Errorf("answers %v", count)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, ".incoming", "*")); dir != "" && len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	}
}

func TestAFolderKeepsObjectsOverARestart(t *testing.T) {
	dir := t.TempDir()
	s, p := ours(t, s3test.Options{Dir: dir})
	odd := []string{"A1B2C3D4/device.json", "../up", "a//b", "dot/.", "back\\slash", "per%cent", "trail/"}
	for _, key := range odd {
		if got := p.send(call{key: key, body: []byte(key), header: map[string]string{"X-Amz-Meta-Name": "v", "X-Amz-Checksum-Sha256": sha([]byte(key))}}).text; got != "200" {
			t.Errorf("put %q: %s", key, got)
		}
	}
	if got := p.send(call{key: "A1B2C3D4/device.json/below", body: hello}).text; got != "409 ObjectParentIsFile" {
		t.Errorf("object below an object: %s", got)
	}
	s.Close()
	if data, err := os.ReadFile(filepath.Join(dir, "trucks", "A1B2C3D4", "device.json")); err != nil || string(data) != odd[0] {
		t.Errorf("the file of an object: %q, %v", data, err)
	}
	s, p = ours(t, s3test.Options{Dir: dir})
	for _, key := range odd {
		if body, _ := p.object(key); string(body) != key {
			t.Errorf("%q reads %q", key, body)
		}
		h := p.send(call{method: "HEAD", key: key, header: map[string]string{"X-Amz-Checksum-Mode": "ENABLED"}}).header
		if h.Get("X-Amz-Meta-Name") != "v" || h.Get("X-Amz-Checksum-Sha256") != sha([]byte(key)) {
			t.Errorf("%q: %v", key, h)
		}
	}
	for _, key := range odd {
		if got := p.send(call{method: "DELETE", key: key}).text; got != "204" {
			t.Errorf("delete %q: %s", key, got)
		}
	}
	if left := s.Keys("trucks", ""); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

func TestObjectsAboveTheLimitAreRefusedUnread(t *testing.T) {
	s, p := ours(t, s3test.Options{MaxSize: 1 << 20})
	got := p.send(call{key: "k", body: random(2 << 20)}).text
	if got != "400 EntityTooLarge" && got != "reset" {
		t.Errorf("answer %s", got)
	}
	if len(s.Keys("trucks", "")) != 0 {
		t.Error("stored")
	}
}

func TestRequestsAreRemembered(t *testing.T) {
	cert, key := certificate(t)
	pair, _ := tls.X509KeyPair(cert, key)
	s, p := ours(t, s3test.Options{TLS: &tls.Config{Certificates: []tls.Certificate{pair}}})
	p.send(call{key: "a/b", body: hello, kind: streamed})
	p.send(call{method: "GET", key: "nothing"})
	list := s.Requests()
	if len(list) != 2 || s.Count() != 2 {
		t.Fatalf("%d requests", len(list))
	}
	q := list[0]
	if q.Method != "PUT" || q.Bucket != "trucks" || q.Key != "a/b" || !q.Secure || q.Status != 200 || q.Body <= int64(len(hello)) ||
		!bytes.HasPrefix(q.Head, []byte("d;chunk-signature=")) || q.Header.Get("X-Amz-Decoded-Content-Length") != "13" {
		t.Errorf("request %+v", q)
	}
	if q := list[1]; q.Status != http.StatusNotFound || q.Code != "NoSuchKey" {
		t.Errorf("request %+v", q)
	}
}

func TestBucketsAreMadeOnce(t *testing.T) {
	_, p := ours(t, s3test.Options{})
	for _, c := range []struct{ path, want string }{{"/vans", "200"}, {"/vans", "409 BucketAlreadyOwnedByYou"}, {"/..", "400 InvalidBucketName"}, {"/UP", "400 InvalidBucketName"}} {
		if got := p.send(call{path: c.path}).text; got != c.want {
			t.Errorf("%s: %s, want %s", c.path, got, c.want)
		}
	}
	if got := p.send(call{method: "GET", path: "/"}); got.text != "200" || !bytes.Contains(got.body, []byte("<Name>trucks</Name></Bucket><Bucket><Name>vans</Name>")) {
		t.Errorf("list of buckets %s %s", got.text, got.body)
	}
}

func TestWhatIsNotThereSaysSo(t *testing.T) {
	_, p := ours(t, s3test.Options{})
	for _, c := range []call{
		{method: "GET", key: "k", query: "tagging="},
		{method: "PUT", key: "k", query: "acl="},
		{method: "GET", path: "/trucks", query: "policy="},
		{method: "GET", path: "/trucks"},
		{key: "k", body: hello, header: map[string]string{"If-Match": `"x"`}},
		{key: "k", body: hello, header: map[string]string{"X-Amz-Checksum-Sha1": "AAAA"}},
	} {
		if got := p.send(c).text; got != "501 NotImplemented" && !strings.HasPrefix(got, "403 Sig") {
			t.Errorf("%s %s?%s: %s", c.method, c.key, c.query, got)
		}
	}
}

func BenchmarkPut(b *testing.B) {
	for _, kind := range []kind{hashed, streamed} {
		b.Run(map[bool]string{true: "streamed", false: "hashed"}[kind == streamed], func(b *testing.B) {
			s := start(b, s3test.Options{Keys: map[string]string{goodAccess: goodSecret}, Buckets: []string{"trucks"}})
			body, c := random(8<<20), client(b)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				resp, err := c.Do(call{key: "k", body: body, kind: kind, access: goodAccess, secret: goodSecret}.request(b, s.URL))
				if err != nil || resp.StatusCode != 200 {
					b.Fatal(resp, err)
				}
				resp.Body.Close()
			}
		})
	}
}
