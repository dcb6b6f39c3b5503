package s3

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"regexp"
	"time"

	"canseal/uploader"

	"github.com/minio/minio-go/v7"
)

// keyForm is every key of ours: nothing from the bus, no "..", no blanks.
var keyForm = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$`)

const (
	headerSHA256 = "x-amz-checksum-sha256"
	headerCRC32C = "x-amz-checksum-crc32c"
	fullObject   = uploader.FullObject
)

// Create puts an object under a free key (If-None-Match: *).
//
// Where the key is taken it looks what is there: with the same size and
// SHA-256 the error is of class Confirmed and comes with what the store holds;
// else KeyConflict, or CannotCompare when the store does not tell. It looks
// too when the connection broke while the object was on its way: the answer
// may be lost, and a store that refuses early resets the connection under the
// body. Network then means that nothing is there, or that nobody can say.
func (c *Client) Create(ctx context.Context, o uploader.Object) (uploader.Stored, error) {
	x := new(exchange)
	stored, err := c.send(ctx, x, o, true)
	if err != nil {
		return c.refusedCreate(ctx, x, o, err)
	}
	return stored, nil
}

func transient(err error) bool {
	c := uploader.ClassOf(err)
	return c == uploader.Network || c == uploader.Busy
}

// Replace puts an object, whatever is there.
func (c *Client) Replace(ctx context.Context, o uploader.Object) (uploader.Stored, error) {
	return c.send(ctx, new(exchange), o, false)
}

// send puts an object in one request, its SHA-256 as a header that the store
// checks: never as a trailer, and over http never without a signature of each
// chunk.
func (c *Client) send(ctx context.Context, x *exchange, o uploader.Object, create bool) (uploader.Stored, error) {
	if err := checkKey(o.Key); err != nil {
		return uploader.Stored{}, err
	}
	if o.Size <= 0 {
		return uploader.Stored{}, own(uploader.Transfer, fmt.Errorf("put %s: %d bytes; an empty object cannot be checked", o.Key, o.Size))
	}
	meta := maps.Clone(o.Meta)
	if meta == nil {
		meta = make(map[string]string, 1)
	}
	md5, name, value := "", headerSHA256, base64.StdEncoding.EncodeToString(o.SHA256[:])
	switch o.Send.Algorithm {
	case "CRC32C":
		name, value = headerCRC32C, o.Send.Value
	case "MD5":
		md5 = o.Send.Value
	}
	if md5 == "" {
		meta[name] = value
	}
	opts := minio.PutObjectOptions{UserMetadata: meta, DisableMultipart: true, DisableContentSha256: c.mode.Unsigned}
	if create {
		opts.SetMatchETagExcept("*")
	}
	content := &body{r: o.Body, left: o.Size, size: o.Size, x: x}
	info, err := c.core.PutObject(x.in(ctx), c.o.Bucket, o.Key, content, o.Size, md5, "", opts)
	if err != nil {
		return uploader.Stored{}, c.refused(x, err)
	}
	return c.arrived(o, uploader.Stored{Size: o.Size, ETag: c.label(info.ETag), VersionID: c.label(info.VersionID),
		Checksum: worded(info.ChecksumSHA256, info.ChecksumCRC32C, info.ChecksumMode)})
}

// Stat asks for size and checksum. A missing object is of class NoneThere. A
// refusal is CannotTell: stores say 403 for a missing key to whoever may not
// list, so only a write tells whether the key pair is good.
func (c *Client) Stat(ctx context.Context, key string) (uploader.Stored, error) {
	if err := checkKey(key); err != nil {
		return uploader.Stored{}, err
	}
	x := &exchange{op: opStat}
	info, err := c.core.Client.StatObject(x.in(ctx), c.o.Bucket, key, minio.StatObjectOptions{Checksum: true})
	if err != nil {
		return uploader.Stored{}, c.refused(x, err)
	}
	return uploader.Stored{
		Size: info.Size, ETag: c.label(info.ETag), VersionID: c.label(info.VersionID),
		Checksum: worded(info.ChecksumSHA256, info.ChecksumCRC32C, info.ChecksumMode),
	}, nil
}

// Get reads a whole object of at most limit bytes; a larger one is of class
// TooLarge. Where the store names a SHA-256 of the object, the bytes are
// checked against it.
func (c *Client) Get(ctx context.Context, key string, limit int64) ([]byte, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	x := &exchange{op: opGet, limit: limit}
	r, info, _, err := c.core.GetObject(x.in(ctx), c.o.Bucket, key, minio.GetObjectOptions{Checksum: true})
	if err != nil {
		return nil, c.refused(x, err)
	}
	defer r.Close()
	if info.Size > limit {
		return nil, tooLarge(key, limit)
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(r); err != nil {
		return nil, undelivered(x, key, err)
	}
	return b.Bytes(), nil
}

func tooLarge(key string, limit int64) error {
	return own(uploader.TooLarge, fmt.Errorf("get %s: more than %d bytes", key, limit))
}

// undelivered gives an object that did not arrive its class: a checksum that
// differs at the end is Transfer.
func undelivered(x *exchange, key string, err error) error {
	switch {
	case errors.Is(err, errLongAnswer):
		return tooLarge(key, x.limit)
	case isNetwork(err):
		return own(uploader.Network, fmt.Errorf("get %s: %w", key, reduce(err)))
	}
	return own(uploader.Transfer, fmt.Errorf("get %s: %w", key, reduce(err)))
}

// Entry is one object of a list.
type Entry struct {
	Key      string
	Size     int64
	Modified time.Time
}

// List walks the objects whose key begins with prefix, in order, of at most
// 1000 pages. It ends after an error.
func (c *Client) List(ctx context.Context, prefix string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		x := &exchange{op: opList}
		opts := minio.ListObjectsOptions{Prefix: prefix, Recursive: true}
		for o := range c.core.ListObjectsIter(x.in(ctx), c.o.Bucket, opts) {
			if o.Err != nil {
				yield(Entry{}, c.refused(x, o.Err))
				return
			}
			if !yield(Entry{Key: o.Key, Size: o.Size, Modified: o.LastModified.UTC()}, nil) {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(Entry{}, own(uploader.Network, err))
		}
	}
}

func checkKey(key string) error {
	if len(key) > 512 || !keyForm.MatchString(key) {
		return own(uploader.Config, fmt.Errorf("key %q: not of the form of ours", key))
	}
	return nil
}

func own(c uploader.Class, err error) *uploader.Error { return &uploader.Error{Class: c, Err: err} }

// worded reads the store's word about an object: its SHA-256, else a CRC-32C.
func worded(sha256, crc32c, kind string) uploader.Checksum {
	if c := checksum(sha256, kind); c != (uploader.Checksum{}) {
		return c
	}
	if raw, err := base64.StdEncoding.DecodeString(crc32c); err == nil && len(raw) == 4 && (kind == "" || kind == fullObject) {
		return uploader.Checksum{Algorithm: "CRC32C", Type: fullObject, Value: crc32c}
	}
	return uploader.Checksum{}
}

// checksum reads the store's word. A store that names no type and whose value
// has no part count means the whole object.
func checksum(value, kind string) uploader.Checksum {
	if raw, err := base64.StdEncoding.DecodeString(value); kind == "" && err == nil && len(raw) == 32 {
		kind = fullObject
	}
	switch {
	case value == "" || len(value) > 64 || kind != fullObject && kind != "COMPOSITE":
		return uploader.Checksum{}
	}
	return uploader.Checksum{Algorithm: "SHA256", Type: kind, Value: value}
}

// body keeps the first error of reading the caller's file, so that a bad card
// is not taken for a bad network. It hides other methods of the file.
type body struct {
	r          io.ReadSeeker
	left, size int64
	x          *exchange
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.left -= int64(n)
	if err == io.EOF && b.left > 0 {
		err = fmt.Errorf("the file ends %d bytes early", b.left)
	}
	if err != nil && err != io.EOF {
		b.x.bodyFailed(err)
	}
	return n, err
}

func (b *body) Seek(offset int64, whence int) (int64, error) {
	at, err := b.r.Seek(offset, whence)
	b.left = b.size - at
	return at, err
}
