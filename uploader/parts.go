package uploader

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"

	"canseal/segment"
)

// inParts brings a large segment into the store as a multipart upload that
// survives cuts, restarts and new boots: what the store has confirmed stands in
// the journal beside the segment.
func (d *delivery) inParts(ctx context.Context, b *body, o Object) (proof, error) {
	if err := d.survey(b); err != nil {
		return proof{}, &Error{Class: Transfer, Err: err}
	}
	o.Proofs = append(o.Proofs, PartsChecksum(d.it.parts, d.it.etagOnly))
	if d.it.upload == nil {
		d.it.upload = d.journal(o)
		d.it.doubt = true // it costs one look, and may spare the whole volume
	}
	return d.deliver(ctx, o, func(ctx context.Context, o Object) (proof, error) { return d.putParts(ctx, b, o) })
}

// survey finds the parts of the file, once in a run.
func (d *delivery) survey(b *body) (err error) {
	etagOnly := d.traits.etagOnly.Load()
	if d.it.parts != nil && d.it.etagOnly == etagOnly {
		return nil
	}
	d.it.etagOnly = etagOnly
	d.it.parts, err = b.survey(d.o.PartSize, etagOnly)
	return err
}

// journal reads the upload that an earlier run has begun, nil for none that
// fits the object.
func (d *delivery) journal(o Object) *segment.UploadJournal {
	j, err := d.o.Card.ReadUpload(d.it.Name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		d.o.Log.Warn("upload begins again: its journal cannot be read", "segment", d.it.Name, "error", err)
		return nil
	}
	return &j
}

// fits tells whether an upload is one of this object, to this store.
func (d *delivery) fits(j *segment.UploadJournal, o Object) bool {
	return j.Endpoint == d.o.Endpoint && j.Bucket == d.o.Bucket && j.Key == o.Key && j.Size == o.Size &&
		j.SHA256 == hex.EncodeToString(o.SHA256[:]) && j.PartSize == d.o.PartSize && (j.Checksum == "etag_only") == d.it.etagOnly
}

// putParts sends the parts that the store does not have, and completes the
// upload.
func (d *delivery) putParts(ctx context.Context, b *body, o Object) (proof, error) {
	up, err := d.resume(ctx, o)
	if err != nil {
		return proof{}, err
	}
	for i := range d.it.parts {
		if d.it.parts[i].ETag != "" {
			continue
		}
		if err := d.putPart(ctx, up, &d.it.parts[i], b); err != nil {
			return proof{}, d.gone(err)
		}
	}
	return d.complete(ctx, up, o)
}

// resume finds out what the store has of the upload, or begins one.
func (d *delivery) resume(ctx context.Context, o Object) (Upload, error) {
	for i := range d.it.parts {
		d.it.parts[i].ETag = ""
	}
	up := Upload{Key: o.Key, ETagOnly: d.it.etagOnly}
	j := d.it.upload
	if j != nil && !d.fits(j, o) {
		d.abandon(ctx, j)
		j = nil
	}
	if j == nil {
		return d.begin(ctx, up, o)
	}
	up.ID = j.UploadID
	there, err := d.o.Store.Parts(ctx, up)
	switch ClassOf(err) {
	case Credentials, CannotTell: // it may not list: its word of before counts
		there = nil
	case NoneThere, Transfer:
		d.it.upload = nil
		return d.begin(ctx, up, o)
	default:
		if err != nil {
			return up, err
		}
	}
	d.accept(j, there, err == nil)
	return up, nil
}

// accept takes the parts that have arrived: those that the store lists with our
// hash, and those of the journal that it lists, or may not list.
func (d *delivery) accept(j *segment.UploadJournal, there []Part, listed bool) {
	etags := map[int]string{}
	for _, p := range there {
		etags[p.Number] = p.ETag
		if i := p.Number - 1; i >= 0 && i < len(d.it.parts) && d.same(d.it.parts[i], p) {
			d.it.parts[i].ETag = p.ETag
		}
	}
	for _, p := range j.Parts {
		i := p.Number - 1
		if i >= len(d.it.parts) || p.Size != d.it.parts[i].Size || p.SHA256 != hex.EncodeToString(d.it.parts[i].SHA256[:]) {
			continue
		}
		if !listed || etags[p.Number] == p.ETag {
			d.it.parts[i].ETag = p.ETag
		}
	}
}

// same tells whether the store's part is ours beyond doubt.
func (d *delivery) same(ours, theirs Part) bool {
	if d.it.etagOnly {
		return theirs.Size == ours.Size && theirs.ETag == hex.EncodeToString(ours.MD5[:])
	}
	return theirs.Size == ours.Size && theirs.SHA256 == ours.SHA256
}

// begin begins an upload and its journal. A card that takes no journal does
// not stop the upload; only a new start would begin it again.
func (d *delivery) begin(ctx context.Context, up Upload, o Object) (Upload, error) {
	up, err := d.o.Store.Begin(ctx, up, o.Meta)
	if ClassOf(err) == Quirk && !up.ETagOnly && d.o.Quirks.MultipartChecksum != "sha256" {
		d.traits.etagOnly.Store(true)
		d.o.Log.Warn("the store compares no SHA-256 of parts; their ETags count instead", "error", err)
		return up, &Error{Class: Transfer, Err: err}
	}
	if err != nil {
		return up, err
	}
	how := "sha256"
	if up.ETagOnly {
		how = "etag_only"
	}
	d.it.upload = &segment.UploadJournal{Endpoint: d.o.Endpoint, Bucket: d.o.Bucket, Key: o.Key, UploadID: up.ID, Size: o.Size,
		SHA256: hex.EncodeToString(o.SHA256[:]), PartSize: d.o.PartSize, Checksum: how, At: moment(d.o.stamp().Time)}
	if err := d.o.Card.BeginUpload(d.it.Name, *d.it.upload); err != nil {
		d.o.Log.Error("upload goes on without its journal", "segment", d.it.Name, "error", err)
	}
	return up, nil
}

// putPart sends one part and writes it down.
func (d *delivery) putPart(ctx context.Context, up Upload, p *Part, b *body) error {
	r := &section{b: b, from: int64(p.Number-1) * d.o.PartSize, size: p.Size}
	etag, err := d.o.Store.PutPart(ctx, up, *p, r)
	if err != nil {
		d.wasted += r.read
		return err
	}
	p.ETag, d.moved, d.it.resets = etag, true, 0
	line := segment.UploadPart{Number: p.Number, Size: p.Size, SHA256: hex.EncodeToString(p.SHA256[:]), ETag: etag}
	d.it.upload.Parts = append(d.it.upload.Parts, line)
	if err := d.o.Card.AddPart(d.it.Name, line); err != nil {
		d.o.Log.Error("upload goes on without its journal", "segment", d.it.Name, "error", err)
	}
	return nil
}

// gone forgets an upload that the store has forgotten.
func (d *delivery) gone(err error) error {
	if ClassOf(err) != NoneThere {
		return err
	}
	d.it.upload = nil
	if err := d.o.Card.Drop(d.it.Name, segment.Of(segment.Upload)); err != nil {
		d.o.Log.Warn("journal of an upload not removed", "segment", d.it.Name, "error", err)
	}
	return &Error{Class: Transfer, Err: fmt.Errorf("the upload begins again: %w", err)}
}

// complete makes the object of its parts.
func (d *delivery) complete(ctx context.Context, up Upload, o Object) (proof, error) {
	d.final = true
	create := !d.traits.unconditional.Load()
	stored, err := d.o.Store.Complete(ctx, up, o, d.it.parts, create)
	if create && d.lacksCondition(err) {
		return d.unseen(ctx, o, func(ctx context.Context, o Object) (proof, error) { return d.complete(ctx, up, o) })
	}
	switch ClassOf(err) {
	case NoneThere: // or completed before, and the answer was lost
		if p, err := d.look(ctx, o); err == nil {
			return p, nil
		}
		return proof{}, d.gone(err)
	case Confirmed, KeyConflict, CannotCompare:
		if err != nil {
			d.abandon(ctx, d.it.upload)
		}
	}
	return d.settle(ctx, o, stored, "complete", err)
}

// abandon aborts an upload that is of no use any more, as far as the store can
// be reached, and forgets it.
func (d *delivery) abandon(ctx context.Context, j *segment.UploadJournal) {
	d.it.upload = nil
	if err := abort(ctx, d.o, d.it.Name, j); err != nil {
		d.o.Log.Info("stale upload not aborted: the bucket's lifecycle rule will", "segment", d.it.Name, "error", err)
	}
}

// abort ends an upload of a segment at the store that it was begun with, and
// removes the journal; as long as the store cannot be reached the journal
// stays, for another time.
func abort(ctx context.Context, o *Options, n segment.Name, j *segment.UploadJournal) (err error) {
	if j.Endpoint == o.Endpoint && j.Bucket == o.Bucket {
		err = o.Store.Abort(ctx, Upload{Key: j.Key, ID: j.UploadID})
	}
	if err != nil && RuleOf(ClassOf(err)).Action == Retry {
		return err
	}
	return errors.Join(err, o.Card.Drop(n, segment.Of(segment.Upload)))
}

// section reads one part of a file, and counts.
type section struct {
	b              *body
	from, size, at int64
	read           int64
}

func (s *section) Read(p []byte) (int, error) {
	n, err := s.b.readAt(p, s.from+s.at, s.from+s.size)
	s.at += int64(n)
	s.read += int64(n)
	return n, err
}

func (s *section) Seek(offset int64, whence int) (int64, error) {
	at, err := seek(offset, whence, s.at, s.size)
	if err == nil {
		s.at = at
	}
	return at, err
}
