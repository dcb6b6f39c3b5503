package s3test

import (
	"encoding/base64"
	"encoding/xml"
	"net/http"
	"net/url"
	"sort"
	"strconv"
	"strings"
)

const namespace = "http://s3.amazonaws.com/doc/2006-03-01/"

// pageSize is the most entries of one answer.
const pageSize = 1000

type listXML struct {
	XMLName               xml.Name `xml:"ListBucketResult"`
	Space                 string   `xml:"xmlns,attr"`
	Name                  string
	Prefix                string
	Delimiter             string `xml:",omitempty"`
	StartAfter            string `xml:",omitempty"`
	ContinuationToken     string `xml:",omitempty"`
	NextContinuationToken string `xml:",omitempty"`
	EncodingType          string `xml:",omitempty"`
	KeyCount, MaxKeys     int
	IsTruncated           bool
	Contents              []entryXML
	CommonPrefixes        []prefixXML
}

type entryXML struct {
	Key, LastModified, ETag string
	Size                    int64
	StorageClass            string
}

type prefixXML struct{ Prefix string }

type bucketsXML struct {
	XMLName xml.Name  `xml:"ListAllMyBucketsResult"`
	Space   string    `xml:"xmlns,attr"`
	Buckets []nameXML `xml:"Buckets>Bucket"`
}

type nameXML struct{ Name string }

type locationXML struct {
	XMLName xml.Name `xml:"LocationConstraint"`
	Space   string   `xml:"xmlns,attr"`
	Region  string   `xml:",chardata"`
}

// service lists the buckets.
func (x *exchange) service() error {
	if x.r.Method != http.MethodGet {
		return notAllowed
	}
	list := bucketsXML{Space: namespace}
	for _, name := range x.shelf.bucketNames() {
		list.Buckets = append(list.Buckets, nameXML{name})
	}
	x.xml(http.StatusOK, list)
	return nil
}

// bucket serves the verbs of buckets.
func (x *exchange) bucket(query url.Values) error {
	name := x.seen.Bucket
	if x.r.Method == http.MethodPut && len(query) == 0 {
		return x.makeBucket(name)
	}
	if !x.shelf.hasBucket(name) {
		return noBucket
	}
	switch {
	case x.r.Method == http.MethodHead:
		x.begin(http.StatusOK)
	case x.r.Method == http.MethodGet && query.Has("location"):
		x.xml(http.StatusOK, locationXML{Space: namespace, Region: x.o.Region})
	case x.r.Method == http.MethodGet && query.Get("list-type") == "2":
		return x.list(query)
	case x.r.Method == http.MethodGet:
		return notImplemented("this view of a bucket")
	default:
		return notAllowed
	}
	return nil
}

func (x *exchange) makeBucket(name string) error {
	if !bucketName(name) {
		return &refusal{400, "InvalidBucketName", "The specified bucket is not valid."}
	}
	if err := x.shelf.makeBucket(name); err != nil {
		return err
	}
	x.begin(http.StatusOK)
	return nil
}

// bucketName wants 3 to 63 lower-case letters, digits, dots and hyphens,
// with a letter or digit at both ends.
func bucketName(name string) bool {
	if len(name) < 3 || len(name) > 63 || strings.Trim(name, ".-") != name {
		return false
	}
	return strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789.-") == ""
}

// list serves ListObjectsV2.
func (x *exchange) list(query url.Values) error {
	page, err := newPage(x.seen.Bucket, query)
	if err != nil {
		return err
	}
	after := query.Get("start-after")
	if page.ContinuationToken != "" {
		token, err := base64.URLEncoding.DecodeString(page.ContinuationToken)
		if err != nil {
			return &refusal{400, "InvalidArgument", "The continuation token provided is incorrect"}
		}
		after = string(token)
	}
	keys := x.shelf.keys(x.seen.Bucket, query.Get("prefix"))
	x.fill(page, keys, query.Get("prefix"), query.Get("delimiter"), after)
	page.encode()
	x.xml(http.StatusOK, page)
	return nil
}

func newPage(bucket string, query url.Values) (*listXML, error) {
	p := &listXML{Space: namespace, Name: bucket, Prefix: query.Get("prefix"), Delimiter: query.Get("delimiter"),
		StartAfter: query.Get("start-after"), ContinuationToken: query.Get("continuation-token"),
		EncodingType: query.Get("encoding-type"), MaxKeys: pageSize}
	if p.EncodingType != "" && p.EncodingType != "url" {
		return nil, &refusal{400, "InvalidArgument", "Invalid Encoding Method specified in Request"}
	}
	if m := query.Get("max-keys"); m != "" {
		n, err := strconv.Atoi(m)
		if err != nil || n < 0 {
			return nil, &refusal{400, "InvalidArgument", "Provided max-keys not an integer or within integer range"}
		}
		p.MaxKeys = min(n, pageSize)
	}
	return p, nil
}

// fill puts the entries behind after on the page. The token of the next page
// is the last entry: a key, or a common prefix, behind which everything that
// begins so is skipped.
func (x *exchange) fill(p *listXML, keys []string, prefix, delimiter, after string) {
	keys = keys[sort.SearchStrings(keys, after):]
	last := after
	for _, key := range keys {
		name := key
		if common, ok := commonPrefix(key, prefix, delimiter); ok {
			name = common
		}
		if key == after || name == last {
			continue
		}
		o := x.shelf.find(p.Name, key)
		if o == nil {
			continue // removed meanwhile
		}
		if p.KeyCount == p.MaxKeys {
			p.IsTruncated = p.MaxKeys > 0
			break
		}
		p.KeyCount++
		last = name
		if name != key {
			p.CommonPrefixes = append(p.CommonPrefixes, prefixXML{name})
			continue
		}
		p.Contents = append(p.Contents, entryXML{Key: key, Size: o.Size, ETag: `"` + o.ETag + `"`,
			LastModified: o.Modified.Format("2006-01-02T15:04:05.000Z"), StorageClass: "STANDARD"})
	}
	if p.IsTruncated {
		p.NextContinuationToken = base64.URLEncoding.EncodeToString([]byte(last))
	}
}

// commonPrefix cuts a key behind the first delimiter that follows the
// prefix.
func commonPrefix(key, prefix, delimiter string) (string, bool) {
	if delimiter == "" {
		return "", false
	}
	i := strings.Index(key[len(prefix):], delimiter)
	if i < 0 {
		return "", false
	}
	return key[:len(prefix)+i+len(delimiter)], true
}

// encode escapes the names where the client has asked for it: XML has no
// place for some characters.
func (p *listXML) encode() {
	if p.EncodingType != "url" {
		return
	}
	p.Prefix, p.Delimiter, p.StartAfter = escape(p.Prefix, true), escape(p.Delimiter, true), escape(p.StartAfter, true)
	for i := range p.Contents {
		p.Contents[i].Key = escape(p.Contents[i].Key, true)
	}
	for i := range p.CommonPrefixes {
		p.CommonPrefixes[i].Prefix = escape(p.CommonPrefixes[i].Prefix, true)
	}
}
