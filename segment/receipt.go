package segment

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"canseal/internal/durable"
)

// maxReceipt bounds a .sent; 600 bytes are usual.
const maxReceipt = 8 << 10

// Receipt is SPLIT.MF4.sent: the store's word for a segment (docs/formats.md C7).
// It is written only when size and checksum of the store equal ours.
type Receipt struct {
	Endpoint  string    `json:"endpoint"` // https://host:9000
	Bucket    string    `json:"bucket"`
	Key       string    `json:"key"`    // object key, fixed when sealed
	Size      int64     `json:"size"`   // bytes of the sealed file
	SHA256    string    `json:"sha256"` // of the sealed file, 64 lower-case hex digits: our side
	Checksum  Checksum  `json:"checksum"`
	PartSize  int64     `json:"part_size,omitempty"` // bytes; with COMPOSITE only
	ETag      string    `json:"etag,omitempty"`      // as the store said it
	VersionID string    `json:"version_id,omitempty"`
	Proved    Proof     `json:"proved"` // how the store's word came to us
	By        string    `json:"by"`     // put, complete or stat: the answer that held the checksum
	Mode      string    `json:"mode"`   // low, medium or high
	At        time.Time `json:"at"`     // UTC, whole seconds
	Clock     string    `json:"clock"`  // synchronised or unsynchronised
}

// Checksum is the store's word for an object.
type Checksum struct {
	Algorithm string `json:"algorithm"` // SHA256; CRC32C, MD5 only as a probed quirk
	Type      string `json:"type"`      // FULL_OBJECT or COMPOSITE
	Value     string `json:"value"`     // standard base64, with -N after it for N parts
}

// Proof tells a verified connection from a plain one.
type Proof string

const (
	ProvedTLS   Proof = "tls"
	ProvedPlain Proof = "plain"
)

// versioned is a receipt as it is written.
type versioned struct {
	Version int `json:"receipt"`
	Receipt
}

// Encode is the receipt as one line with its line end.
func (r Receipt) Encode() ([]byte, error) {
	r.At = r.At.UTC().Truncate(time.Second)
	if err := r.Check(); err != nil {
		return nil, err
	}
	var line bytes.Buffer
	e := json.NewEncoder(&line)
	e.SetEscapeHTML(false)
	if err := e.Encode(versioned{1, r}); err != nil {
		return nil, fmt.Errorf("receipt: %w", err)
	}
	if line.Len() > maxReceipt {
		return nil, fmt.Errorf("receipt: found %d bytes, wanted at most %d", line.Len(), maxReceipt)
	}
	return line.Bytes(), nil
}

// ParseReceipt is the inverse of Encode. What it refuses counts as no receipt.
func ParseReceipt(data []byte) (Receipt, error) {
	if len(data) > maxReceipt {
		return Receipt{}, fmt.Errorf("receipt: found %d bytes, wanted at most %d", len(data), maxReceipt)
	}
	var v versioned
	if err := json.Unmarshal(data, &v); err != nil {
		return Receipt{}, fmt.Errorf("receipt: %w", err)
	}
	if v.Version != 1 {
		return Receipt{}, fmt.Errorf("receipt: found version %d, wanted 1", v.Version)
	}
	v.At = v.At.UTC()
	if err := v.Check(); err != nil {
		return Receipt{}, err
	}
	return v.Receipt, nil
}

// Check tells the first field that a receipt must not have so.
func (r Receipt) Check() error {
	composite := r.Checksum.Type == "COMPOSITE"
	for _, rule := range []struct {
		ok    bool
		field string
		want  string
	}{
		{r.Endpoint != "" && isText(r.Endpoint, 512), "endpoint", "a URL"},
		{r.Bucket != "" && isText(r.Bucket, 255), "bucket", "a name"},
		{r.Key != "" && isText(r.Key, 1024), "key", "an object key"},
		{r.Size >= 0, "size", "bytes"},
		{isHash(r.SHA256), "sha256", "64 lower-case hex digits"},
		{isOneOf(r.Checksum.Algorithm, "SHA256", "CRC32C", "MD5"), "checksum.algorithm", "SHA256, CRC32C or MD5"},
		{composite || r.Checksum.Type == "FULL_OBJECT", "checksum.type", "FULL_OBJECT or COMPOSITE"},
		{isChecksum(r.Checksum.Value, composite), "checksum.value", "base64, with -N after it when COMPOSITE"},
		{composite == (r.PartSize > 0) && r.PartSize >= 0, "part_size", "bytes with COMPOSITE, none else"},
		{isText(r.ETag, 1024), "etag", "at most 1024 bytes of text"},
		{isText(r.VersionID, 1024), "version_id", "at most 1024 bytes of text"},
		{r.Proved == ProvedTLS || r.Proved == ProvedPlain, "proved", "tls or plain"},
		{isOneOf(r.By, "put", "complete", "stat"), "by", "put, complete or stat"},
		{isOneOf(r.Mode, "low", "medium", "high"), "mode", "low, medium or high"},
		{isMoment(r.At), "at", "a time"},
		{isOneOf(r.Clock, "synchronised", "unsynchronised"), "clock", "synchronised or unsynchronised"},
	} {
		if !rule.ok {
			return fmt.Errorf("receipt: %s: wanted %s", rule.field, rule.want)
		}
	}
	return nil
}

// isChecksum takes base64, with a number of parts when composite. MD5 composites
// are written in hex by most stores; those letters are base64, too.
func isChecksum(s string, composite bool) bool {
	value, parts, dashed := strings.Cut(s, "-")
	if dashed != composite || dashed && (parts == "" || len(parts) > 5 || strings.Trim(parts, "0123456789") != "") {
		return false
	}
	return value != "" && isBase64(value)
}

// WriteReceipt makes the segment a sent one, or proves it again.
func (c Card) WriteReceipt(n Name, r Receipt) error {
	line, err := r.Encode()
	if err != nil {
		return fmt.Errorf("segment %s: %w", n, err)
	}
	return durable.WriteFile(c.FS, c.Path(n, Sent), line, 0o644)
}

// ReadReceipt reads the receipt of a segment. Whatever the error: there is none.
func (c Card) ReadReceipt(n Name) (*Receipt, error) {
	data, err := durable.ReadFile(c.FS, c.Path(n, Sent), maxReceipt)
	if err != nil {
		return nil, err
	}
	r, err := ParseReceipt(data)
	if err != nil {
		return nil, fmt.Errorf("segment %s: %w", n, err)
	}
	return &r, nil
}
