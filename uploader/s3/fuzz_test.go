package s3

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"canseal/uploader"
)

// Whatever a server answers, the error has a class, and of its words only
// those of the right form.
func FuzzRefusal(f *testing.F) {
	c, err := New(Options{Endpoint: "http://h", Bucket: "trucks", AccessKey: "ACCESSKEY", SecretKey: "secretsecret", Mode: "low"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(403, []byte("<Error><Code>AccessDenied</Code><RequestId>1A</RequestId></Error>"), "text/xml", "", "7")
	f.Add(501, []byte("<Error><Code>NotImplemented</Code><Header>If-None-Match</Header></Error>"), "application/xml", "id", "")
	f.Add(400, []byte("<html>No required SSL certificate was sent</html>"), "text/html", "", "Fri, 20 Nov 2026 10:00:30 GMT")
	f.Add(503, []byte("<Error><Code>ACCESSKEY</Code>"), "", "ACCESSKEY", "-1")
	f.Fuzz(func(t *testing.T, status int, text []byte, kind, id, after string) {
		if status < 100 || status > 999 {
			return
		}
		x := &exchange{status: status, answer: answer{retryAfter: after}}
		x.answer.parse(text, http.Header{"Content-Type": {kind}, "X-Amz-Request-Id": {id}})
		e := c.refused(x, errBroken)
		if e.Class > uploader.LocalCorruption || e.Status != status || e.RetryAfter < 0 || e.RetryAfter > 24*time.Hour {
			t.Fatalf("%+v", e)
		}
		if e.Code != "" && !codeForm.MatchString(e.Code) || strings.Contains(e.Error(), "ACCESSKEY") || strings.Contains(e.RequestID, "ACCESSKEY") {
			t.Fatalf("kept %q, %q", e.Code, e.RequestID)
		}
	})
}

func FuzzChecksum(f *testing.F) {
	f.Add(base64.StdEncoding.EncodeToString(make([]byte, 32)), "")
	f.Add("AAAA-4", "COMPOSITE")
	f.Fuzz(func(t *testing.T, value, kind string) {
		if c := checksum(value, kind); c != (uploader.Checksum{}) && (c.Value != value || len(value) > 64 || c.Type != fullObject && c.Type != "COMPOSITE") {
			t.Fatalf("%+v", c)
		}
	})
}
