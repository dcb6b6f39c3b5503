package segment

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"time"

	"canseal/internal/durable"
)

// maxJournal bounds a .upload: 64 parts of a segment of 512 MiB take 12 kB.
const maxJournal = 256 << 10

// maxParts is the highest number of a part.
const maxParts = 10_000

// UploadJournal is SPLIT.MF4.upload: a multipart upload that has begun, and the
// parts that the store has confirmed (docs/formats.md C7).
type UploadJournal struct {
	Endpoint string    `json:"endpoint"`
	Bucket   string    `json:"bucket"`
	Key      string    `json:"key"`
	UploadID string    `json:"upload_id"` // the store's name for it
	Size     int64     `json:"size"`      // bytes of the sealed file
	SHA256   string    `json:"sha256"`    // of the sealed file, 64 lower-case hex digits
	PartSize int64     `json:"part_size"` // bytes of all parts but the last
	Checksum string    `json:"checksum"`  // sha256 or etag_only: what the store compares of each part
	At       time.Time `json:"at"`        // UTC, when it began

	Parts []UploadPart `json:"-"` // as they were written
}

// UploadPart is one part that the store has confirmed.
type UploadPart struct {
	Number int    `json:"n"` // from 1
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"` // 64 lower-case hex digits
	ETag   string `json:"etag"`   // as the store said it
}

// Check tells the first field that a journal must not have so.
func (j UploadJournal) Check() error {
	for _, rule := range []struct {
		ok    bool
		field string
		want  string
	}{
		{j.Endpoint != "" && isText(j.Endpoint, 512), "endpoint", "a URL"},
		{j.Bucket != "" && isText(j.Bucket, 255), "bucket", "a name"},
		{j.Key != "" && isText(j.Key, 1024), "key", "an object key"},
		{j.UploadID != "" && isText(j.UploadID, 2048), "upload_id", "the store's name for the upload, at most 2048 bytes"},
		{j.Size > 0, "size", "bytes"},
		{isHash(j.SHA256), "sha256", "64 lower-case hex digits"},
		{j.PartSize > 0, "part_size", "bytes"},
		{isOneOf(j.Checksum, "sha256", "etag_only"), "checksum", "sha256 or etag_only"},
		{isMoment(j.At), "at", "a time"},
	} {
		if !rule.ok {
			return fmt.Errorf("upload journal: %s: wanted %s", rule.field, rule.want)
		}
	}
	return nil
}

func (p UploadPart) ok() bool {
	return p.Number > 0 && p.Number <= maxParts && p.Size > 0 && isHash(p.SHA256) && isText(p.ETag, 1024)
}

// parseUpload reads a journal as far as it is whole: what a power cut left of
// the last line is not counted in size.
func parseUpload(data []byte) (j UploadJournal, size int, err error) {
	end := bytes.IndexByte(data, '\n') + 1
	var head struct {
		Version int `json:"journal"`
		UploadJournal
	}
	if err := json.Unmarshal(data[:end], &head); err != nil {
		return j, 0, fmt.Errorf("upload journal: %w", err)
	}
	if head.Version != 1 {
		return j, 0, fmt.Errorf("upload journal: found version %d, wanted 1", head.Version)
	}
	j, size = head.UploadJournal, end
	j.At = j.At.UTC()
	for {
		end := bytes.IndexByte(data[size:], '\n') + 1
		var p UploadPart
		if end == 0 || json.Unmarshal(data[size:size+end], &p) != nil || !p.ok() {
			return j, size, j.Check()
		}
		j.Parts, size = append(j.Parts, p), size+end
	}
}

// ReadUpload reads the journal of a segment, and cuts off what is torn.
// fs.ErrNotExist when there is none; after any other error it is good for
// nothing.
func (c Card) ReadUpload(n Name) (UploadJournal, error) {
	data, err := durable.ReadFile(c.FS, c.Path(n, Upload), maxJournal)
	if err != nil {
		return UploadJournal{}, err
	}
	j, size, err := parseUpload(data)
	if err == nil && size < len(data) {
		err = c.cut(c.Path(n, Upload), int64(size))
	}
	if err != nil {
		return UploadJournal{}, fmt.Errorf("segment %s: %w", n, err)
	}
	return j, nil
}

// BeginUpload writes the journal of an upload that the store has begun.
func (c Card) BeginUpload(n Name, j UploadJournal) error {
	j.At = j.At.UTC().Truncate(time.Second)
	if err := j.Check(); err != nil {
		return fmt.Errorf("segment %s: %w", n, err)
	}
	if err := remove(c.FS, c.Path(n, Upload)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("segment %s: %w", n, err)
	}
	return c.journal(n, struct {
		Version int `json:"journal"`
		UploadJournal
	}{1, j})
}

// AddPart appends a part that the store has confirmed; after a nil error it
// survives.
func (c Card) AddPart(n Name, p UploadPart) error {
	if !p.ok() {
		return fmt.Errorf("segment %s: upload journal: part %d cannot be written", n, p.Number)
	}
	return c.journal(n, p)
}

// journal appends a line to the upload's journal, and syncs it.
func (c Card) journal(n Name, line any) error {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(line); err != nil {
		return fmt.Errorf("segment %s: upload journal: %w", n, err)
	}
	name := c.Path(n, Upload)
	f, err := c.FS.Append(name, 0o644)
	if err != nil {
		return fmt.Errorf("append to %s: %w", name, err)
	}
	err = c.FS.SyncDir(path.Dir(name))
	if err == nil {
		err = appendLine(f, text.Bytes())
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("append to %s: %w", name, err)
	}
	return nil
}
