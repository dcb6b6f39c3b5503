package s3

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"canseal/uploader"

	"github.com/minio/minio-go/v7"
)

// Fetch writes a whole object of at most limit bytes to w, and returns how many
// that were. Where the connection breaks, or the store is busy, the rest of the
// same object (by its ETag) is asked for, at most fetchTries times in a row
// without a byte. Where the store names a SHA-256 of the object, all bytes are
// held against it at the end.
//
// Any key of a bucket can be fetched, also one that is not of the form of ours.
func (c *Client) Fetch(ctx context.Context, key string, w io.Writer, limit int64) (int64, error) {
	got, err := c.FetchAll(ctx, key, w, limit)
	return got.Size, err
}

// Fetched is what came of an object beside its bytes.
type Fetched struct {
	Size int64
	Meta map[string]string // user metadata, names in lower case
}

// FetchAll is Fetch, and reads the object's metadata in the same request.
func (c *Client) FetchAll(ctx context.Context, key string, w io.Writer, limit int64) (Fetched, error) {
	if err := checkForeignKey(key); err != nil {
		return Fetched{}, err
	}
	f := &fetch{c: c, key: key, limit: limit, w: w, sum: sha256.New()}
	err := f.all(ctx)
	return Fetched{f.at, f.meta}, err
}

// all asks until everything is there, or hope is gone.
func (f *fetch) all(ctx context.Context) error {
	for tries := 1; ; tries++ {
		before := f.at
		err := f.more(ctx)
		switch {
		case err == nil:
			return f.check()
		case !transient(err) || f.broken || ctx.Err() != nil:
			return err
		case f.at > before:
			tries = 0
		case tries == fetchTries:
			return err
		}
		if err := pause(ctx, time.Duration(tries)*time.Second); err != nil {
			return own(uploader.Network, err)
		}
	}
}

const fetchTries = 4

// fetch is an object on its way.
type fetch struct {
	c     *Client
	key   string
	limit int64
	w     io.Writer
	sum   hash.Hash

	at     int64 // bytes that have come
	size   int64
	etag   string
	want   string // SHA-256 of the whole, as the store says it
	meta   map[string]string
	broken bool // w takes nothing
}

// more asks for the rest.
func (f *fetch) more(ctx context.Context) error {
	var opts minio.GetObjectOptions
	if f.at > 0 {
		if err := opts.SetRange(f.at, f.size-1); err != nil {
			return own(uploader.Transfer, fmt.Errorf("get %s: %w", f.key, err))
		}
		if f.etag != "" {
			opts.Set("If-Match", `"`+f.etag+`"`)
		}
	} else {
		opts.Checksum = true
	}
	x := &exchange{op: opGet, limit: f.limit}
	r, info, _, err := f.c.core.GetObject(x.in(ctx), f.c.o.Bucket, f.key, opts)
	if err != nil {
		return f.c.refused(x, err)
	}
	defer r.Close()
	if f.at == 0 {
		f.size, f.etag = info.Size, f.c.label(info.ETag)
		f.meta = make(map[string]string, len(info.UserMetadata))
		for name, value := range info.UserMetadata {
			f.meta[strings.ToLower(name)] = value
		}
		if sum := checksum(info.ChecksumSHA256, info.ChecksumMode); sum.Type == fullObject {
			f.want = sum.Value
		}
	}
	if f.size > f.limit {
		return tooLarge(f.key, f.limit)
	}
	if f.at > 0 && info.Size != f.size-f.at {
		return own(uploader.Transfer, fmt.Errorf("get %s: the store sends %d bytes instead of the last %d", f.key, info.Size, f.size-f.at))
	}
	return f.copy(x, r)
}

// copy passes on what comes.
func (f *fetch) copy(x *exchange, r io.Reader) error {
	buf := make([]byte, 256<<10)
	for {
		n, err := r.Read(buf)
		f.sum.Write(buf[:n])
		f.at += int64(n)
		if _, e := f.w.Write(buf[:n]); e != nil {
			f.broken = true
			return fmt.Errorf("get %s: %w", f.key, e)
		}
		switch {
		case err == io.EOF && f.at < f.size:
			return own(uploader.Network, fmt.Errorf("get %s: %d of %d bytes came", f.key, f.at, f.size))
		case err == io.EOF:
			return nil
		case err != nil:
			return undelivered(x, f.key, err)
		}
	}
}

// check holds what came against what the store says of it.
func (f *fetch) check() error {
	if got := base64.StdEncoding.EncodeToString(f.sum.Sum(nil)); f.want != "" && got != f.want {
		return own(uploader.Transfer, fmt.Errorf("get %s: its SHA-256 is %s, the store says %s", f.key, got, f.want))
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	if d == 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// checkForeignKey takes what S3 takes: UTF-8 of at most 1024 bytes.
func checkForeignKey(key string) error {
	if key == "" || len(key) > 1024 || !utf8.ValidString(key) || strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return own(uploader.Config, fmt.Errorf("key %.100q: wanted at most 1024 bytes of text", key))
	}
	return nil
}
