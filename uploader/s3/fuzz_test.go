package s3

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
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

// Whatever a store answers about an upload, nothing panics, errors have a
// class, and what is kept can be kept.
func FuzzUploadAnswers(f *testing.F) {
	f.Add(200, []byte("<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"))
	f.Add(200, []byte("<ListPartsResult><Part><PartNumber>1</PartNumber><ETag>\"e\"</ETag><Size>5</Size><ChecksumSHA256>AAAA</ChecksumSHA256></Part></ListPartsResult>"))
	f.Add(200, []byte("<CompleteMultipartUploadResult><Bucket>b</Bucket><ETag>\"e-2\"</ETag><ChecksumSHA256>AAAA-2</ChecksumSHA256></CompleteMultipartUploadResult>"))
	f.Add(200, []byte("<Error><Code>InternalError</Code><Message>secretsecret</Message></Error>"))
	f.Add(404, []byte("<Error><Code>NoSuchUpload</Code></Error>"))
	f.Fuzz(func(t *testing.T, status int, text []byte) {
		if status < 200 || status > 599 || slices.Contains([]int{408, 429, 499, 500, 502, 503, 504, 520}, status) {
			return // for those minio-go sleeps before it gives up
		}
		c, err := New(Options{Endpoint: "http://h", Bucket: "trucks", AccessKey: "ACCESSKEY", SecretKey: "secretsecret", Mode: "low",
			Stall: 200 * time.Millisecond, Dial: answering(status, text)})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		part := uploader.Part{Number: 1, Size: 1, ETag: "e"}
		o := uploader.Object{Key: "k", Body: strings.NewReader("x"), Size: 1}
		up, err1 := c.Begin(t.Context(), uploader.Upload{Key: "k"}, nil)
		up.ID = "u"
		etag, err2 := c.PutPart(t.Context(), up, part, strings.NewReader("x"))
		list, err3 := c.Parts(t.Context(), up)
		stored, err4 := c.Complete(t.Context(), up, o, []uploader.Part{part}, true)
		for _, err := range []error{err1, err2, err3, err4, c.Abort(t.Context(), up)} {
			if err == nil {
				continue
			}
			if e, ok := err.(*uploader.Error); !ok || e == nil || strings.Contains(e.Error(), "secretsecret") {
				t.Fatalf("%T: %v", err, err)
			}
		}
		if len(list) > maxParts || len(etag) > labelLimit || len(stored.ETag) > labelLimit || len(stored.Checksum.Value) > 64 {
			t.Fatalf("kept %d parts, %q, %+v", len(list), etag, stored)
		}
	})
}

// answering gives connections on which every request gets one answer.
func answering(status int, text []byte) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			defer theirs.Close()
			r, err := http.ReadRequest(bufio.NewReader(theirs))
			if err != nil {
				return
			}
			io.Copy(io.Discard, r.Body)
			fmt.Fprintf(theirs, "HTTP/1.1 %d X\r\nETag: \"e\"\r\nConnection: close\r\nContent-Length: %d\r\n\r\n", status, len(text))
			theirs.Write(text)
		}()
		return ours, nil
	}
}
