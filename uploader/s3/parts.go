package s3

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"

	"canseal/uploader"

	"github.com/minio/minio-go/v7"
)

// maxParts is what a store may list of one upload: 64 parts are those of the
// largest segment.
const maxParts = 1000

// Begin begins a multipart upload. Unless it is ETagOnly it is created with
// the algorithm SHA256, without which some stores compare nothing of what
// their parts say.
func (c *Client) Begin(ctx context.Context, u uploader.Upload, meta map[string]string) (uploader.Upload, error) {
	if err := checkKey(u.Key); err != nil {
		return u, err
	}
	x := &exchange{op: opBegin}
	meta = maps.Clone(meta)
	if meta == nil {
		meta = map[string]string{}
	}
	if !u.ETagOnly {
		meta["x-amz-checksum-algorithm"] = "SHA256"
	}
	id, err := c.core.NewMultipartUpload(x.in(ctx), c.o.Bucket, u.Key, minio.PutObjectOptions{UserMetadata: meta})
	if err != nil {
		return u, c.refused(x, err)
	}
	if u.ID = c.name(id); u.ID == "" {
		return u, own(uploader.Unknown, fmt.Errorf("begin upload of %s: the store's name for it is no name", u.Key))
	}
	return u, nil
}

// name returns the store's name of an upload, empty if it is none that can be
// kept.
func (c *Client) name(id string) string {
	if len(id) > 2*labelLimit {
		return ""
	}
	return c.harmless(labelForm, id)
}

// PutPart sends one part, its SHA-256 (its MD5 where the upload is ETagOnly)
// as a header that the store checks. An upload that is gone is NoneThere.
func (c *Client) PutPart(ctx context.Context, u uploader.Upload, p uploader.Part, content io.ReadSeeker) (string, error) {
	x := &exchange{op: opPart}
	opts := minio.PutObjectPartOptions{DisableContentSha256: c.mode.Unsigned, CustomHeader: http.Header{}}
	sum := base64.StdEncoding.EncodeToString(p.SHA256[:])
	if u.ETagOnly {
		opts.Md5Base64 = base64.StdEncoding.EncodeToString(p.MD5[:])
	} else {
		opts.CustomHeader.Set(headerSHA256, sum)
	}
	r := &body{r: content, left: p.Size, size: p.Size, x: x}
	part, err := c.core.PutObjectPart(x.in(ctx), c.o.Bucket, u.Key, u.ID, p.Number, r, p.Size, opts)
	if err != nil {
		return "", c.refused(x, err)
	}
	etag := c.label(part.ETag)
	switch {
	case etag == "":
		return "", own(uploader.Unknown, fmt.Errorf("put part %d of %s: the store names no ETag", p.Number, u.Key))
	case part.ChecksumSHA256 != "" && part.ChecksumSHA256 != sum, u.ETagOnly && etag != fmt.Sprintf("%x", p.MD5):
		return "", own(uploader.Transfer, fmt.Errorf("put part %d of %s: the store answers another checksum", p.Number, u.Key))
	}
	return etag, nil
}

// Parts lists what the store has of an upload.
func (c *Client) Parts(ctx context.Context, u uploader.Upload) ([]uploader.Part, error) {
	x := &exchange{op: opParts}
	list, err := c.core.ListObjectParts(x.in(ctx), c.o.Bucket, u.Key, u.ID, 0, maxParts)
	if err != nil {
		return nil, c.refused(x, err)
	}
	parts := make([]uploader.Part, 0, min(len(list.ObjectParts), maxParts))
	for _, p := range list.ObjectParts[:min(len(list.ObjectParts), maxParts)] {
		part := uploader.Part{Number: p.PartNumber, Size: p.Size, ETag: c.label(trimQuotes(p.ETag))}
		if raw, err := base64.StdEncoding.DecodeString(p.ChecksumSHA256); err == nil {
			copy(part.SHA256[:], raw)
		}
		if part.Number > 0 && part.ETag != "" {
			parts = append(parts, part)
		}
	}
	return parts, nil
}

func trimQuotes(s string) string {
	if len(s) > 1 && s[0] == '"' && s[len(s)-1] == '"' {
		return s[1 : len(s)-1]
	}
	return s
}

// Complete makes the object of its parts. With create it wants a free key and
// looks what is there as Create does; the upload stays then.
func (c *Client) Complete(ctx context.Context, u uploader.Upload, o uploader.Object, parts []uploader.Part, create bool) (uploader.Stored, error) {
	x := &exchange{op: opComplete}
	list := make([]minio.CompletePart, len(parts))
	for i, p := range parts {
		list[i] = minio.CompletePart{PartNumber: p.Number, ETag: p.ETag}
		if !u.ETagOnly {
			list[i].ChecksumSHA256 = base64.StdEncoding.EncodeToString(p.SHA256[:])
		}
	}
	var opts minio.PutObjectOptions
	if create {
		opts.SetMatchETagExcept("*")
	}
	info, err := c.core.CompleteMultipartUpload(x.in(ctx), c.o.Bucket, u.Key, u.ID, list, opts)
	if err != nil {
		return c.refusedCreate(ctx, x, o, c.refused(x, err))
	}
	return c.arrived(o, uploader.Stored{Size: o.Size, ETag: c.label(info.ETag), VersionID: c.label(info.VersionID),
		Checksum: checksum(info.ChecksumSHA256, info.ChecksumMode)})
}

// Abort forgets an upload and what has arrived of it.
func (c *Client) Abort(ctx context.Context, u uploader.Upload) error {
	if err := checkKey(u.Key); err != nil {
		return err
	}
	x := &exchange{op: opAbort}
	if err := c.core.AbortMultipartUpload(x.in(ctx), c.o.Bucket, u.Key, u.ID); err != nil {
		if e := c.refused(x, err); e.Class != uploader.NoneThere {
			return e
		}
	}
	return nil
}

// refusedCreate looks what lies under a key that was to be free, where the
// store's word or its silence calls for that.
func (c *Client) refusedCreate(ctx context.Context, x *exchange, o uploader.Object, err error) (uploader.Stored, error) {
	var e *uploader.Error
	taken := errors.As(err, &e) && e.Status == http.StatusPreconditionFailed
	if !taken && !(err != nil && x.broken() && ctx.Err() == nil) {
		return uploader.Stored{}, err
	}
	there, statErr := c.Stat(ctx, o.Key)
	switch {
	case statErr == nil:
		_, e.Class = o.Match(there)
	case taken && !transient(statErr):
		e.Class, e.Err = uploader.CannotCompare, statErr
	case taken:
		return there, statErr
	}
	return there, e
}

// arrived judges the answer to a write that was accepted.
func (c *Client) arrived(o uploader.Object, stored uploader.Stored) (uploader.Stored, error) {
	if _, class := o.Match(stored); class == uploader.KeyConflict {
		return stored, own(uploader.Transfer, fmt.Errorf("put %s: the store answers another checksum", o.Key))
	}
	if c.mode.Proved == "tls" {
		c.o.Accepted()
	}
	return stored, nil
}
