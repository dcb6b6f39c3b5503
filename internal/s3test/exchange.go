package s3test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// exchange is one request and its answer.
type exchange struct {
	*Server
	w     http.ResponseWriter
	r     *http.Request
	seen  *Request
	fault Fault
	now   time.Time
	raw   *meter // body as on the wire

	status int
	code   string
}

func (x *exchange) serve() error {
	if x.misbehave() {
		return nil
	}
	s, err := x.authenticate()
	if err != nil {
		return err
	}
	query, err := url.ParseQuery(x.r.URL.RawQuery)
	if err != nil {
		return invalid("The query string is malformed.")
	}
	if err := x.permit(s.user, query); err != nil {
		return err
	}
	if x.seen.Key != "" {
		return x.object(s, query)
	}
	if err := x.emptyBody(s); err != nil {
		return err
	}
	if x.seen.Bucket == "" {
		return x.service()
	}
	return x.bucket(query)
}

// object serves the verbs of objects.
func (x *exchange) object(s signature, query url.Values) error {
	if !x.shelf.hasBucket(x.seen.Bucket) {
		return noBucket
	}
	if len(x.seen.Key) > 1024 {
		return longKey
	}
	if is, err := uploadQuery(query); is || err != nil {
		if err != nil {
			return err
		}
		return x.multipart(s, query)
	}
	switch x.r.Method {
	case http.MethodPut:
		return x.put(s)
	case http.MethodGet, http.MethodHead:
		return x.get()
	case http.MethodDelete:
		if err := x.shelf.remove(x.seen.Bucket, x.seen.Key); err != nil {
			return err
		}
		x.begin(http.StatusNoContent)
		return nil
	}
	return notAllowed
}

// emptyBody reads the body of a request that should have none or a short
// one.
func (x *exchange) emptyBody(s signature) error {
	c, err := claimsOf(x.r.Header)
	if err != nil {
		return err
	}
	body, size, err := x.bodyOf(s, &c)
	if err != nil {
		return err
	}
	if size > 64<<10 {
		return tooLarge
	}
	in, err := newIntake("")
	if err != nil {
		return err
	}
	if err := in.receive(body, size); err != nil {
		return err
	}
	return in.verify(c)
}

// put stores an object.
func (x *exchange) put(s signature) error {
	create, err := x.condition()
	if err != nil {
		return err
	}
	c, err := claimsOf(x.r.Header)
	if err != nil {
		return err
	}
	meta, err := userMeta(x.r.Header)
	if err != nil {
		return err
	}
	in, size, err := x.intake(s, &c)
	if err != nil {
		return err
	}
	defer in.discard()
	o := &Object{Bucket: x.seen.Bucket, Key: x.seen.Key, Size: size, Modified: x.now.UTC().Truncate(time.Second), Meta: meta,
		ETag: hex.EncodeToString(in.md5.Sum(nil)), SHA256: base64.StdEncoding.EncodeToString(in.sha256.Sum(nil)),
		Checksum: c.algorithm, Value: base64.StdEncoding.EncodeToString(c.checksum), ContentType: x.r.Header.Get("Content-Type")}
	if x.fault.Effect != Forge {
		if err := x.shelf.put(o, in, create); err != nil {
			return err
		}
	}
	x.w.Header().Set("ETag", `"`+o.ETag+`"`)
	x.checksum(o)
	x.begin(http.StatusOK)
	return nil
}

// intake receives the body of an object and verifies it; the caller discards
// it. What a trailer says is added to the claims.
func (x *exchange) intake(s signature, c *claims) (*intake, int64, error) {
	body, size, err := x.bodyOf(s, c)
	if err != nil {
		return nil, 0, err
	}
	in, err := newIntake(x.o.Dir)
	if err != nil {
		return nil, 0, err
	}
	if err = in.receive(body, size); err == nil {
		err = in.verify(*c)
	}
	if err != nil {
		in.discard()
		return nil, 0, err
	}
	return in, size, nil
}

// condition reads If-None-Match and looks before the body is read, as real
// stores do.
func (x *exchange) condition() (create bool, err error) {
	if x.r.Header.Get("If-Match") != "" {
		return false, notImplemented("If-Match")
	}
	switch v := x.r.Header.Get("If-None-Match"); {
	case v == "" || x.fault.Effect == Ignore:
		return false, nil
	case v != "*":
		return false, notImplemented("If-None-Match other than *")
	}
	if x.shelf.find(x.seen.Bucket, x.seen.Key) != nil {
		return true, occupied
	}
	return true, nil
}

func userMeta(h http.Header) (map[string]string, error) {
	meta, size := map[string]string{}, 0
	for name, values := range h {
		if name, ok := strings.CutPrefix(strings.ToLower(name), "x-amz-meta-"); ok {
			meta[name] = strings.Join(values, ",")
			size += len(name) + len(meta[name])
		}
	}
	if size > maxMeta {
		return nil, largeMeta
	}
	return meta, nil
}

// checksum names the checksum of an object in the answer.
func (x *exchange) checksum(o *Object) {
	if o.Checksum == "" {
		return
	}
	kind := o.Type
	if kind == "" {
		kind = "FULL_OBJECT"
	}
	x.w.Header().Set("X-Amz-Checksum-"+o.Checksum, x.falsified(o))
	x.w.Header().Set("X-Amz-Checksum-Type", kind)
}

// falsified is the checksum of an object, unless the fault wants another.
func (x *exchange) falsified(o *Object) string {
	if x.fault.Effect != Falsify {
		return o.Value
	}
	_, parts, composite := strings.Cut(o.Value, "-")
	value := base64.StdEncoding.EncodeToString(hashOf("other bytes")[:checksums[o.Checksum]])
	if composite {
		value += "-" + parts
	}
	return value
}

// get serves GET and HEAD.
func (x *exchange) get() error {
	o := x.shelf.find(x.seen.Bucket, x.seen.Key)
	if o == nil && x.o.HideMissing {
		return accessDenied
	}
	if o == nil {
		return noKey
	}
	from, to, partial, err := byteRange(x.r.Header.Get("Range"), o.Size)
	if err != nil {
		return err
	}
	h, status := x.w.Header(), http.StatusOK
	x.describe(o)
	h.Set("Content-Length", strconv.FormatInt(to-from, 10))
	if partial {
		status = http.StatusPartialContent
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to-1, o.Size))
	} else if strings.EqualFold(x.r.Header.Get("X-Amz-Checksum-Mode"), "ENABLED") {
		x.checksum(o)
	}
	if x.r.Method == http.MethodHead {
		x.begin(status)
		return nil
	}
	body, end, err := o.open()
	if err != nil {
		return err
	}
	defer end()
	x.begin(status)
	io.Copy(x.w, io.NewSectionReader(body, from, to-from)) // an error means that the client has gone
	return nil
}

func (x *exchange) describe(o *Object) {
	h := x.w.Header()
	h.Set("ETag", `"`+o.ETag+`"`)
	h.Set("Last-Modified", o.Modified.Format(http.TimeFormat))
	h.Set("Accept-Ranges", "bytes")
	h.Set("Content-Type", "binary/octet-stream")
	if o.ContentType != "" {
		h.Set("Content-Type", o.ContentType)
	}
	for name, value := range o.Meta {
		h.Set("X-Amz-Meta-"+name, value)
	}
}

// byteRange reads a Range header: one range, as RFC 9110 has it. Others are
// ignored, as the RFC allows.
func byteRange(header string, size int64) (from, to int64, partial bool, err error) {
	spec, ok := strings.CutPrefix(header, "bytes=")
	first, last, dash := strings.Cut(spec, "-")
	if !ok || !dash || strings.Contains(spec, ",") {
		return 0, size, false, nil
	}
	a, errA := strconv.ParseInt(first, 10, 64)
	b, errB := strconv.ParseInt(last, 10, 64)
	switch {
	case first == "" && errB == nil: // the last b bytes
		from, to = max(0, size-b), size
	case errA == nil && last == "":
		from, to = a, size
	case errA == nil && errB == nil && a <= b:
		from, to = a, min(b, size-1)+1
	default:
		return 0, size, false, nil
	}
	if from >= to {
		return 0, 0, false, invalidRange
	}
	return from, to, true, nil
}

// begin sends the status line and headers, unless the answer is to be lost.
func (x *exchange) begin(status int) {
	if x.fault.Effect == Lose {
		abort()
	}
	x.status = status
	x.w.WriteHeader(status)
}

// xml answers with a document.
func (x *exchange) xml(status int, document any) {
	var b bytes.Buffer
	b.WriteString(xml.Header)
	if err := xml.NewEncoder(&b).Encode(document); err != nil {
		status = http.StatusInternalServerError
	}
	x.w.Header().Set("Content-Type", "application/xml")
	x.w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	x.begin(status)
	if x.r.Method != http.MethodHead {
		x.w.Write(b.Bytes())
	}
}
