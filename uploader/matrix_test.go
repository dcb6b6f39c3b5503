package uploader_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"testing"
	"time"

	"canseal/internal/s3test"
	"canseal/segment"
	"canseal/uploader"
)

// echo refuses with everything secret of the request in the answer.
func echo(status int, code string) s3test.Fault {
	return s3test.Fault{Effect: s3test.Echo, Status: status, Code: code, Times: -1}
}

// row is one line of the tables of errors: what the store does to one segment,
// and what the status says then.
type row struct {
	fault  s3test.Fault
	method string // default PUT
	class  string // of the endpoint, "" for none
	parked string // of the segment
	there  []byte // lies under the key before
}

// matrix is what a store can do, line by line; each refusal echoes secrets.
var matrix = map[string]row{
	"reset at once":              {fault: s3test.Fault{Effect: s3test.Cut, Times: -1}, class: "network"},
	"cut in the head of a chunk": {fault: s3test.Fault{Effect: s3test.Cut, At: 10, Times: -1}, class: "network"},
	"cut in the bytes":           {fault: s3test.Fault{Effect: s3test.Cut, At: 1000, Times: -1}, class: "network"},
	"cut in the last chunk":      {fault: s3test.Fault{Effect: s3test.Cut, At: 1300, Times: -1}, class: "network"},
	"a stall":                    {fault: s3test.Fault{Effect: s3test.Stall, At: 500, Times: -1}, class: "network"},
	"an answer lost for ever":    {fault: s3test.Fault{Effect: s3test.Lose, Times: -1}},
	"slow":                       {fault: s3test.Fault{Effect: s3test.Slow, At: 100, Delay: time.Millisecond, Times: -1}},
	"500":                        {fault: echo(500, "InternalError"), class: "busy"},
	"502":                        {fault: echo(502, "BadGateway"), class: "busy"},
	"503 SlowDown":               {fault: echo(503, "SlowDown"), class: "busy"},
	"504":                        {fault: echo(504, "GatewayTimeout"), class: "busy"},
	"429":                        {fault: echo(429, "TooManyRequests"), class: "busy"},
	"409, two writers":           {fault: echo(409, "ConditionalRequestConflict"), class: "busy"},
	"BadDigest":                  {fault: echo(400, "BadDigest")},
	"IncompleteBody":             {fault: echo(400, "IncompleteBody")},
	"another checksum":           {fault: s3test.Fault{Effect: s3test.Falsify, Times: -1}},
	"412, and it is ours":        {there: content(segment.Name{Session: 17, Split: 1})},
	"412, and it is another's":   {there: noise(1000), parked: "key_conflict"},
	"412, and a look is refused": {fault: echo(403, "AccessDenied"), method: "HEAD", there: noise(1000), parked: "cannot_compare"},
	"413":                        {fault: echo(413, "RequestEntityTooLarge"), parked: "too_large"},
	"EntityTooLarge":             {fault: echo(400, "EntityTooLarge"), parked: "too_large"},
	"501 for a header":           {fault: echo(501, "NotImplemented"), class: "quirk"},
	"a clock that is wrong":      {fault: s3test.Fault{Effect: s3test.Skew, Delay: 20 * time.Minute, Times: -1}, class: "clock"},
	"401":                        {fault: echo(401, "Unauthorized"), class: "credentials"},
	"403 AccessDenied":           {fault: echo(403, "AccessDenied"), class: "credentials"},
	"403 InvalidAccessKeyId":     {fault: echo(403, "InvalidAccessKeyId"), class: "credentials"},
	"403 SignatureDoesNotMatch":  {fault: echo(403, "SignatureDoesNotMatch"), class: "credentials"},
	"NoSuchBucket":               {fault: echo(404, "NoSuchBucket"), class: "config"},
	"301 to another host":        {fault: s3test.Fault{Effect: s3test.Redirect, Location: "http://127.0.0.1:9/x", Times: -1}, class: "config"},
	"307 to another host":        {fault: s3test.Fault{Effect: s3test.Redirect, Status: 307, Location: "http://127.0.0.1:9/x", Times: -1}, class: "config"},
	"another region":             {fault: echo(400, "AuthorizationHeaderMalformed"), class: "config"},
	"405":                        {fault: echo(405, "MethodNotAllowed"), class: "config"},
	"507":                        {fault: echo(507, "InsufficientStorage"), class: "store_full"},
	"a quota":                    {fault: echo(403, "QuotaExceeded"), class: "store_full"},
	"418":                        {fault: echo(418, "ImATeapot"), class: "unknown"},
	"an answer without end":      {fault: s3test.Fault{Effect: s3test.Flood, Status: 418, At: 3 << 20, Times: -1}, class: "unknown"},
	"a proxy's page over http":   {fault: s3test.Fault{Status: 400, Body: "<html>" + secretKey + "</html>", Times: -1}, class: "config"},
	"an early refusal":           {fault: s3test.Fault{Effect: s3test.Early, Status: 503, Times: -1}, class: "busy"},
}

// Each line of the tables: the status names the class, other segments go on
// where it concerns one alone, the segment arrives once the store is well
// again, and no secret is found anywhere.
func TestTheMatrixOfFaults(t *testing.T) {
	for name, row := range matrix {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, err := s3test.New(s3test.Options{Keys: map[string]string{accessKey: secretKey}, Buckets: []string{"trucks"}})
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			b, log := onTheRoad(t, server.URL, accessKey, secretKey)
			names := []segment.Name{b.seal(17, 1), b.seal(17, 2)}
			row.script(t, b, server, key(names[0]))
			b.up = uploader.New(b.o)
			b.drain()
			status := b.up.Status()
			text, _ := json.Marshal(status)
			if status.Class != row.class || (row.parked != "") != (len(status.Parked) == 1) || row.parked != "" && status.Parked[0].Class != row.parked {
				t.Errorf("class %q, parked %v, want %q, %q", status.Class, status.Parked, row.class, row.parked)
			}
			if row.class == "" && !b.sent(names[1]) {
				t.Errorf("the queue does not go on: %+v", status)
			}
			server.Heal()
			if row.parked != "" {
				server.Remove("trucks", key(names[0]))
			}
			b.settle(names...)
			for _, n := range names {
				if o, err := server.Object("trucks", key(n)); err != nil || !b.sent(n) {
					t.Errorf("%s: %v, receipt %v", n, err, b.sent(n))
				} else if body, _ := o.Body(); !bytes.Equal(body, content(n)) {
					t.Errorf("%s: %d bytes in the store", n, len(body))
				}
			}
			wantNoSecret(t, b, names, string(text), log.String())
		})
	}
}

// script makes the store ready for what a row does to a key.
func (r row) script(t *testing.T, b *box, s *s3test.Server, key string) {
	if r.there != nil {
		o := uploader.Object{Key: key, Body: bytes.NewReader(r.there), Size: int64(len(r.there)), SHA256: sha256.Sum256(r.there)}
		if _, err := b.o.Store.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	r.fault.Key, r.fault.Method = key, r.method
	if r.method == "" {
		r.fault.Method = "PUT"
	}
	if r.fault.Times != 0 {
		s.Script(r.fault)
	}
}

// settle drains until all have arrived, a few times at most.
func (b *box) settle(names ...segment.Name) {
	for range 6 {
		b.up.Retry(false)
		b.drain()
		done := true
		for _, n := range names {
			done = done && b.sent(n)
		}
		if done {
			return
		}
	}
}

// The same for a segment in parts: whatever one request meets, and whatever is
// echoed, it arrives, and nothing of the upload is left.
func TestTheMatrixOfFaultsInParts(t *testing.T) {
	data := noise(11 << 20)
	for name, fault := range map[string]s3test.Fault{
		"the beginning is cut":         {Effect: s3test.Cut, Query: "uploads"},
		"a part is cut":                {Effect: s3test.Cut, Query: "partNumber=2", At: 2 << 20},
		"a part's answer is lost":      {Effect: s3test.Lose, Query: "partNumber=2"},
		"a part is refused":            {Effect: s3test.Echo, Status: 400, Code: "BadDigest", Query: "partNumber=2"},
		"a part's checksum is another": {Effect: s3test.Falsify, Query: "partNumber=2"},
		"a part is forged":             {Effect: s3test.Forge, Query: "partNumber=2"},
		"the upload is gone":           {Effect: s3test.Echo, Status: 404, Code: "NoSuchUpload", Query: "partNumber=3"},
		"the list is refused":          {Effect: s3test.Echo, Status: 403, Code: "AccessDenied", Method: "GET"},
		"the list is without end":      {Effect: s3test.Flood, Status: 200, At: 3 << 20, Method: "GET"},
		"the completion is cut":        {Effect: s3test.Cut, Query: "uploadId", Method: "POST"},
		"the completion's answer lost": {Effect: s3test.Lose, Query: "uploadId", Method: "POST"},
		"the completion fails late":    {Status: 200, Body: "<Error><Code>InternalError</Code><Message>" + secretKey + "</Message></Error>", Query: "uploadId", Method: "POST"},
		"the composite is another":     {Effect: s3test.Falsify, Query: "uploadId", Method: "POST"},
		"the completion is refused":    {Effect: s3test.Echo, Status: 403, Query: "uploadId", Method: "POST"},
	} {
		t.Run(name, func(t *testing.T) {
			server, err := s3test.New(s3test.Options{Keys: map[string]string{accessKey: secretKey}, Buckets: []string{"trucks"}})
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			b, log := onTheRoad(t, server.URL, accessKey, secretKey)
			b.o.PartSize = 5 << 20
			n := b.sealContent(17, 1, data)
			server.Script(fault)
			if fault.Method == "GET" { // only asked for after another cut
				server.Script(s3test.Fault{Effect: s3test.Cut, Query: "partNumber=2"})
			}
			b.up = uploader.New(b.o)
			b.drain()
			text, _ := json.Marshal(b.up.Status())
			b.settle(n)
			b.drain() // what is stale is aborted
			o, err := server.Object("trucks", key(n))
			if err != nil || !b.sent(n) {
				t.Fatalf("%v, receipt %v; log:\n%s", err, b.sent(n), log)
			}
			if body, _ := o.Body(); !bytes.Equal(body, data) {
				t.Errorf("%d bytes in the store", len(body))
			}
			if left := server.Uploads("trucks"); len(left) != 0 && fault.Query != "partNumber=3" {
				t.Errorf("uploads are left: %v", left)
			}
			wantNoSecret(t, b, []segment.Name{n}, string(text), log.String())
		})
	}
}
