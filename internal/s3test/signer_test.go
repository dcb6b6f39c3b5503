package s3test_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sort"
	"strings"
	"testing"
	"time"
)

// A second, independent SigV4: it signs what the store verifies.

type kind int

const (
	hashed   kind = iota // x-amz-content-sha256 is the body's hash
	streamed             // chunks of 64 KiB, each signed
	unsigned             // UNSIGNED-PAYLOAD
	bare                 // chunks without signatures, a trailer
)

const chunk = 64 << 10

// call is one request to be signed and sent.
type call struct {
	method string // default PUT
	path   string // decoded; default /trucks/ + key
	key    string
	query  string // name=value&..., decoded values without & and =
	body   []byte
	kind   kind
	header map[string]string

	access, secret string        // default: the good pair
	skew           time.Duration // of the client's clock
	region         string

	tamper func(r *http.Request, wire []byte) []byte // after signing
}

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

func hm(key []byte, s string) []byte {
	h := hmac.New(sha256.New, key)
	io.WriteString(h, s)
	return h.Sum(nil)
}

func encodePath(p string) string {
	return strings.ReplaceAll(strings.ReplaceAll(url.QueryEscape(p), "+", "%20"), "%2F", "/")
}

func encodeQuery(q string) string {
	if q == "" {
		return ""
	}
	parts := strings.Split(q, "&")
	for i, p := range parts {
		name, value, _ := strings.Cut(p, "=")
		parts[i] = strings.ReplaceAll(url.QueryEscape(name)+"="+url.QueryEscape(value), "+", "%20")
	}
	sort.Strings(parts)
	return strings.Join(parts, "&")
}

// request signs a call for a store at base.
func (c call) request(t testing.TB, base string) *http.Request {
	t.Helper()
	path := c.path
	if path == "" {
		path = "/trucks/" + c.key
	}
	method := c.method
	if method == "" {
		method = http.MethodPut
	}
	region := "us-east-1"
	if c.region != "" {
		region = c.region
	}
	query := encodeQuery(c.query)
	target := base + encodePath(path)
	if query != "" {
		target += "?" + query
	}
	r, err := http.NewRequest(method, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().Add(c.skew).UTC()
	date := now.Format("20060102T150405Z")
	scope := date[:8] + "/" + region + "/s3/aws4_request"
	payload := map[kind]string{hashed: sum(c.body), streamed: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", unsigned: "UNSIGNED-PAYLOAD", bare: "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}[c.kind]
	r.Header.Set("X-Amz-Date", date)
	r.Header.Set("X-Amz-Content-Sha256", payload)
	if c.kind == streamed || c.kind == bare {
		r.Header.Set("X-Amz-Decoded-Content-Length", fmt.Sprint(len(c.body)))
		r.Header.Set("Content-Encoding", "aws-chunked")
	}
	for name, value := range c.header {
		r.Header.Set(name, value)
	}
	names := []string{"host"}
	for name := range r.Header {
		names = append(names, strings.ToLower(name))
	}
	sort.Strings(names)
	canonical := method + "\n" + encodePath(path) + "\n" + query + "\n"
	for _, name := range names {
		value := r.Header.Get(name)
		if name == "host" {
			value = r.URL.Host
		}
		canonical += name + ":" + value + "\n"
	}
	signed := strings.Join(names, ";")
	canonical += "\n" + signed + "\n" + payload
	key := []byte("AWS4" + c.secret)
	for _, part := range strings.Split(scope, "/") {
		key = hm(key, part)
	}
	seed := hex.EncodeToString(hm(key, strings.Join([]string{"AWS4-HMAC-SHA256", date, scope, sum([]byte(canonical))}, "\n")))
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+c.access+"/"+scope+", SignedHeaders="+signed+", Signature="+seed)
	wire := c.body
	if c.kind == streamed {
		wire = chunks(c.body, key, date, scope, seed)
	}
	if c.tamper != nil {
		wire = c.tamper(r, wire)
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(wire)), int64(len(wire))
	if len(wire) == 0 {
		r.Body = http.NoBody // else Go sends no length
	}
	return r
}

func chunks(body, key []byte, date, scope, previous string) []byte {
	var out bytes.Buffer
	for {
		part := body[:min(len(body), chunk)]
		body = body[len(part):]
		previous = hex.EncodeToString(hm(key, strings.Join([]string{"AWS4-HMAC-SHA256-PAYLOAD", date, scope, previous, sum(nil), sum(part)}, "\n")))
		fmt.Fprintf(&out, "%x;chunk-signature=%s\r\n%s\r\n", len(part), previous, part)
		if len(part) == 0 {
			return out.Bytes()
		}
	}
}
