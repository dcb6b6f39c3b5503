package s3test

import (
	"bytes"
	"cmp"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"time"
)

const (
	partMin  = 5 << 20 // bytes of all parts but the last, as real stores have it
	partsMax = 10_000
)

// upload is a multipart upload under way.
type upload struct {
	bucket, key string
	meta        map[string]string
	contentType string
	sha256      bool // created with the algorithm SHA256
	parts       map[int]*part
}

// part is one part as it arrived.
type part struct {
	*intake
	size     int64
	etag     string // MD5 in hex
	checksum string // SHA-256 in base64
	modified time.Time
}

// uploadQuery tells a request about a multipart upload, and checks that it
// asks for nothing else.
func uploadQuery(query url.Values) (is bool, err error) {
	for name := range query {
		switch name {
		case "uploads", "uploadId", "partNumber", "part-number-marker", "max-parts":
			is = true
		case "x-id":
		default:
			return false, notImplemented("?" + name)
		}
	}
	return is, nil
}

// multipart serves the verbs of multipart uploads.
func (x *exchange) multipart(s signature, query url.Values) error {
	id := query.Get("uploadId")
	switch {
	case x.r.Method == http.MethodPost && query.Has("uploads"):
		return x.beginUpload(s)
	case x.upload(id) == nil:
		if err := x.emptyBody(s); err != nil && x.r.Method != http.MethodPut {
			return err
		}
		return noUpload
	case x.r.Method == http.MethodPut:
		return x.putPart(s, id, query.Get("partNumber"))
	case x.r.Method == http.MethodGet:
		x.xml(http.StatusOK, x.listParts(id))
		return nil
	case x.r.Method == http.MethodPost:
		return x.completeUpload(s, id)
	case x.r.Method == http.MethodDelete:
		x.forget(id)
		x.begin(http.StatusNoContent)
		return nil
	}
	return notAllowed
}

// upload finds an upload of the request's key.
func (x *exchange) upload(id string) *upload {
	x.mu.Lock()
	defer x.mu.Unlock()
	u := x.uploads[id]
	if u == nil || u.bucket != x.seen.Bucket || u.key != x.seen.Key {
		return nil
	}
	return u
}

func (x *exchange) forget(id string) {
	x.mu.Lock()
	u := x.uploads[id]
	delete(x.uploads, id)
	x.mu.Unlock()
	if u == nil {
		return
	}
	for _, p := range u.parts {
		p.discard()
	}
}

func (x *exchange) beginUpload(s signature) error {
	meta, err := userMeta(x.r.Header)
	if err == nil {
		err = x.emptyBody(s)
	}
	if err != nil {
		return err
	}
	u := &upload{bucket: x.seen.Bucket, key: x.seen.Key, meta: meta, contentType: x.r.Header.Get("Content-Type"), parts: map[int]*part{}}
	switch alg := x.r.Header.Get("X-Amz-Checksum-Algorithm"); alg {
	case "SHA256":
		u.sha256 = true
	case "":
	default:
		return notImplemented("checksum " + alg)
	}
	id := requestID()
	x.mu.Lock()
	x.uploads[id] = u
	x.mu.Unlock()
	x.xml(http.StatusOK, beginXML{Space: namespace, Bucket: u.bucket, Key: u.key, UploadID: id})
	return nil
}

type beginXML struct {
	XMLName     xml.Name `xml:"InitiateMultipartUploadResult"`
	Space       string   `xml:"xmlns,attr"`
	Bucket, Key string
	UploadID    string `xml:"UploadId"`
}

func (x *exchange) putPart(s signature, id, number string) error {
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || n > partsMax {
		return &refusal{400, "InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive."}
	}
	c, err := claimsOf(x.r.Header)
	if err != nil {
		return err
	}
	in, size, err := x.intake(s, &c)
	if err != nil {
		return err
	}
	p := &part{in, size, hex.EncodeToString(in.md5.Sum(nil)), base64.StdEncoding.EncodeToString(in.sha256.Sum(nil)), x.now.UTC().Truncate(time.Second)}
	if x.fault.Effect != Forge && !x.keepPart(id, n, p) {
		in.discard()
		return noUpload
	}
	x.w.Header().Set("ETag", `"`+p.etag+`"`)
	x.checksum(&Object{Checksum: c.algorithm, Value: base64.StdEncoding.EncodeToString(c.checksum)})
	x.begin(http.StatusOK)
	return nil
}

// keepPart puts a part where it belongs, unless the upload has gone meanwhile.
func (x *exchange) keepPart(id string, n int, p *part) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	u := x.uploads[id]
	if u == nil {
		return false
	}
	if old := u.parts[n]; old != nil {
		old.discard()
	}
	u.parts[n] = p
	return true
}

type partXML struct {
	PartNumber     int
	LastModified   string `xml:",omitempty"`
	ETag           string
	Size           int64  `xml:",omitempty"`
	ChecksumSHA256 string `xml:",omitempty"`
}

type partsXML struct {
	XMLName     xml.Name `xml:"ListPartsResult"`
	Space       string   `xml:"xmlns,attr"`
	Bucket, Key string
	UploadID    string `xml:"UploadId"`
	IsTruncated bool
	Part        []partXML
}

func (x *exchange) listParts(id string) partsXML {
	list := partsXML{Space: namespace, Bucket: x.seen.Bucket, Key: x.seen.Key, UploadID: id}
	x.mu.Lock()
	defer x.mu.Unlock()
	u := x.uploads[id]
	if u == nil {
		return list
	}
	for _, n := range slices.Sorted(maps.Keys(u.parts)) {
		p := u.parts[n]
		e := partXML{PartNumber: n, LastModified: p.modified.Format("2006-01-02T15:04:05.000Z"), ETag: `"` + p.etag + `"`, Size: p.size}
		if u.sha256 {
			e.ChecksumSHA256 = p.checksum
		}
		list.Part = append(list.Part, e)
	}
	return list
}

type completeXML struct {
	XMLName xml.Name `xml:"CompleteMultipartUpload"`
	Part    []partXML
}

type completedXML struct {
	XMLName               xml.Name `xml:"CompleteMultipartUploadResult"`
	Space                 string   `xml:"xmlns,attr"`
	Location, Bucket, Key string
	ETag                  string
	ChecksumSHA256        string `xml:",omitempty"`
	ChecksumType          string `xml:",omitempty"`
}

// completeUpload makes an object of the parts that the request lists.
func (x *exchange) completeUpload(s signature, id string) error {
	list, err := x.completion(s)
	if err != nil {
		return err
	}
	create, err := x.condition()
	if err != nil {
		return err
	}
	u := x.upload(id)
	if u == nil {
		return noUpload
	}
	parts, err := u.choose(list.Part)
	if err != nil {
		return err
	}
	o, in, err := u.join(x, parts)
	if err != nil {
		return err
	}
	defer in.discard()
	if x.fault.Effect != Forge {
		if err := x.shelf.put(o, in, create); err != nil {
			return err
		}
		x.forget(id)
	}
	result := completedXML{Space: namespace, Bucket: u.bucket, Key: u.key, Location: x.URL + "/" + u.bucket + "/" + u.key, ETag: `"` + o.ETag + `"`}
	if o.Checksum != "" {
		result.ChecksumSHA256, result.ChecksumType = x.falsified(o), o.Type
	}
	x.xml(http.StatusOK, result)
	return nil
}

// completion reads the list of parts in the body.
func (x *exchange) completion(s signature) (list completeXML, err error) {
	c, err := claimsOf(x.r.Header)
	if err != nil {
		return list, err
	}
	body, size, err := x.bodyOf(s, &c)
	if err != nil {
		return list, err
	}
	if size > 1<<20 {
		return list, tooLarge
	}
	in, err := newIntake("")
	if err == nil {
		err = in.receive(body, size)
	}
	if err == nil {
		err = in.verify(c)
	}
	if err != nil {
		return list, err
	}
	if xml.Unmarshal(in.memory.Bytes(), &list) != nil || len(list.Part) == 0 {
		return list, &refusal{400, "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema"}
	}
	return list, nil
}

// choose finds the listed parts, in rising order, each as it was put.
func (u *upload) choose(list []partXML) (parts []*part, err error) {
	if !slices.IsSortedFunc(list, func(a, b partXML) int { return cmp.Compare(a.PartNumber, b.PartNumber) }) {
		return nil, &refusal{400, "InvalidPartOrder", "The list of parts was not in ascending order."}
	}
	for i, e := range list {
		p := u.parts[e.PartNumber]
		if p == nil || p.etag != trimQuotes(e.ETag) || e.ChecksumSHA256 != "" && (!u.sha256 || e.ChecksumSHA256 != p.checksum) {
			return nil, &refusal{400, "InvalidPart", "One or more of the specified parts could not be found."}
		}
		if p.size < partMin && i < len(list)-1 {
			return nil, &refusal{400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed object size."}
		}
		parts = append(parts, p)
	}
	return parts, nil
}

func trimQuotes(s string) string {
	if len(s) > 1 && s[0] == '"' {
		return s[1 : len(s)-1]
	}
	return s
}

// join puts parts together.
func (u *upload) join(x *exchange, parts []*part) (*Object, *intake, error) {
	in, err := newIntake(x.o.Dir)
	if err != nil {
		return nil, nil, err
	}
	shas, mds, size := sha256.New(), md5.New(), int64(0)
	for _, p := range parts {
		raw, _ := base64.StdEncoding.DecodeString(p.checksum)
		shas.Write(raw)
		md, _ := hex.DecodeString(p.etag)
		mds.Write(md)
		size += p.size
		if err := in.take(p); err != nil {
			in.discard()
			return nil, nil, err
		}
	}
	o := &Object{Bucket: u.bucket, Key: u.key, Size: size, Modified: x.now.UTC().Truncate(time.Second), Meta: u.meta, ContentType: u.contentType,
		ETag: fmt.Sprintf("%x-%d", mds.Sum(nil), len(parts)), SHA256: base64.StdEncoding.EncodeToString(in.sha256.Sum(nil))}
	if u.sha256 {
		o.Checksum, o.Type = "SHA256", "COMPOSITE"
		o.Value = fmt.Sprintf("%s-%d", base64.StdEncoding.EncodeToString(shas.Sum(nil)), len(parts))
	}
	return o, in, nil
}

// take appends the body of a part.
func (in *intake) take(p *part) error {
	body := io.Reader(bytes.NewReader(p.memory.Bytes()))
	if p.file != nil {
		f, err := os.Open(p.file.Name())
		if err != nil {
			return err
		}
		defer f.Close()
		body = f
	}
	return in.receive(body, p.size)
}

// Uploads returns the keys of a bucket with multipart uploads under way, in
// order, each as often as it has some.
func (s *Server) Uploads(bucket string) (keys []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range s.uploads {
		if u.bucket == bucket {
			keys = append(keys, u.key)
		}
	}
	slices.Sort(keys)
	return keys
}

// ForgetUploads ends all multipart uploads, as a lifecycle rule does.
func (s *Server) ForgetUploads() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.uploads)
}
