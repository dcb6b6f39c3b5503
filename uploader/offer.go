package uploader

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"time"

	"canseal/internal/durable"
	"canseal/segment"
)

// errNotNow says that a segment cannot be sent at present, by nobody's
// fault: its seal line is not written yet, or retention was faster.
var errNotNow = errors.New("not ready to be sent")

// proof is the store's word that an object equals ours.
type proof struct {
	stored Stored
	by     string // put or stat
}

// offer brings one segment into the store and returns the receipt.
func (u *Uploader) offer(ctx context.Context, it *item) (segment.Receipt, error) {
	line, ok, err := u.seals.line(u.o.Card, it.Name)
	if err != nil {
		return segment.Receipt{}, &Error{Class: Unreadable, Err: fmt.Errorf("seal.log of %s: %w", it.Name, err)}
	}
	if !ok {
		return segment.Receipt{}, errNotNow
	}
	file, err := u.o.Card.FS.Open(u.o.Card.Path(it.Name, segment.Sealed))
	if errors.Is(err, fs.ErrNotExist) {
		return segment.Receipt{}, errNotNow
	}
	if err != nil {
		return segment.Receipt{}, &Error{Class: Unreadable, Err: err}
	}
	defer file.Close()
	r, err := u.carry(ctx, it, line, file)
	if ClassOf(err) == LocalCorruption && u.otherCard(it.Name, line) {
		return segment.Receipt{}, errNotNow
	}
	return r, err
}

// carry sends the bytes of an open segment.
func (u *Uploader) carry(ctx context.Context, it *item, line segment.SealLine, file durable.File) (segment.Receipt, error) {
	o, b, err := u.object(it, line, file)
	if err != nil {
		return segment.Receipt{}, err
	}
	p, err := u.deliver(ctx, it, o)
	u.count(b, err)
	if err != nil {
		return segment.Receipt{}, judge(err, b)
	}
	return u.receipt(o, p), nil
}

// otherCard tells whether a segment was judged by the line of another card,
// which has been exchanged meanwhile. The queue is made anew then.
func (u *Uploader) otherCard(n segment.Name, judgedBy segment.SealLine) bool {
	u.seals = seals{}
	line, ok, err := u.seals.line(u.o.Card, n)
	if err == nil && ok && line.SHA256 == judgedBy.SHA256 {
		return false
	}
	u.scanned = time.Time{}
	return true
}

// object describes a segment for the store.
func (u *Uploader) object(it *item, line segment.SealLine, file durable.File) (Object, *body, error) {
	var sum [32]byte
	if n, err := hex.Decode(sum[:], []byte(line.SHA256)); err != nil || n != len(sum) {
		return Object{}, nil, &Error{Class: LocalCorruption, Err: fmt.Errorf("seal record of %s: no SHA-256", it.Name)}
	}
	if size, err := file.Size(); err == nil && size != line.Size {
		return Object{}, nil, &Error{Class: LocalCorruption, Err: fmt.Errorf("%s: %d bytes, sealed with %d", it.Name, size, line.Size)}
	}
	b := newBody(file, line.Size, sum)
	o := Object{Key: segment.Key(u.o.Prefix, u.o.Card.Device, it.Name, line.Start), Body: b, Size: line.Size, SHA256: sum}
	o.Meta = u.meta(line)
	return o, b, nil
}

// maxMeta is the room for user metadata, names and values.
const maxMeta = 2000

// meta is the metadata of the CANedge and ours.
func (u *Uploader) meta(line segment.SealLine) map[string]string {
	raw := line.Encode()
	m := map[string]string{
		"timestamp": line.Start.UTC().Format("20060102T150405"),
		"put-index": strconv.FormatUint(u.puts+1, 10),
		"sha256":    line.SHA256,
		"seal":      base64.StdEncoding.EncodeToString(raw[:len(raw)-1]),
	}
	size := 0
	for name, value := range u.o.Meta {
		m[name] = value
	}
	for name, value := range m {
		size += len(name) + len(value)
	}
	if size > maxMeta {
		delete(m, "seal") // a line of a later version; it is on the card
	}
	return m
}

// deliver gets an object into the store, or finds it there.
func (u *Uploader) deliver(ctx context.Context, it *item, o Object) (proof, error) {
	if it.doubt || u.unconditional {
		p, err := u.look(ctx, o)
		if err == nil || !absent(err) {
			return p, err
		}
	}
	p, err := u.put(ctx, o)
	if ClassOf(err) != Network || ctx.Err() != nil {
		it.resets = 0
		return p, err
	}
	// The answer may have been lost, and a refusal may look like a reset.
	it.doubt = true
	it.resets++
	found, lookErr := u.look(ctx, o)
	switch {
	case lookErr == nil:
		return found, nil
	case absent(lookErr):
		it.doubt = false
		u.suspect(it)
		return proof{}, err
	case RuleOf(ClassOf(lookErr)).About == Segment:
		return proof{}, lookErr
	}
	return proof{}, err
}

// put creates an object and wants the store's figures.
func (u *Uploader) put(ctx context.Context, o Object) (proof, error) {
	create, by := u.o.Store.Create, "put"
	if u.unconditional {
		create = u.o.Store.Replace
	}
	stored, err := create(ctx, o)
	switch ClassOf(err) {
	case Confirmed:
		by = "stat"
	case Quirk:
		if u.unconditional {
			return proof{}, err
		}
		u.unconditional = true
		u.o.Log.Warn("the store knows no conditional create; looking before each put instead", "error", err)
		return u.putUnconditional(ctx, o)
	default:
		if err != nil {
			return proof{}, err
		}
	}
	if stored.Checksum == (Checksum{}) {
		return u.confirm(ctx, o)
	}
	if err := compare(o, stored); err != nil {
		return proof{}, &Error{Class: Transfer, Err: err}
	}
	return proof{stored, by}, nil
}

// confirm looks at what a put has left whose answer named no checksum. That
// something else lies there is no conflict then: whoever answered (a captive
// portal) is not our store.
func (u *Uploader) confirm(ctx context.Context, o Object) (proof, error) {
	p, err := u.look(ctx, o)
	if ClassOf(err) == KeyConflict {
		err = &Error{Class: Unknown, Err: fmt.Errorf("what answers is not the store: %w", err)}
	}
	return p, err
}

// putUnconditional is for stores without If-None-Match: it never puts over
// what it cannot see.
func (u *Uploader) putUnconditional(ctx context.Context, o Object) (proof, error) {
	p, err := u.look(ctx, o)
	if err == nil || !absent(err) {
		return p, err
	}
	if _, err := o.Body.Seek(0, 0); err != nil {
		return proof{}, &Error{Class: Transfer, Err: err}
	}
	return u.put(ctx, o)
}

// absent tells whether an object may be put after a look at its key ended
// with err: under If-None-Match the store has the last word.
func absent(err error) bool {
	class := ClassOf(err)
	return class == NoneThere || class == CannotTell
}

// look compares what is there with ours. Its error is of class NoneThere,
// CannotTell, KeyConflict or CannotCompare, or one of the endpoint; instead of
// CannotTell it is Quirk where the store knows no conditional create.
func (u *Uploader) look(ctx context.Context, o Object) (proof, error) {
	stored, err := u.o.Store.Stat(ctx, o.Key)
	if ClassOf(err) == CannotTell && u.unconditional {
		// It may not be put over what cannot be seen. The store's word that it
		// knows no condition may be forged: the next try asks again.
		u.unconditional = false
		return proof{}, &Error{Class: Quirk, Err: errors.New("neither a conditional create nor a look at the key is possible")}
	}
	if err != nil {
		return proof{}, err
	}
	if stored.Size == o.Size && stored.Checksum == (Checksum{}) {
		return proof{}, &Error{Class: CannotCompare, Err: errors.New("the store names no checksum")}
	}
	if err := compare(o, stored); err != nil {
		return proof{}, &Error{Class: KeyConflict, Err: err}
	}
	return proof{stored, "stat"}, nil
}

// compare tells whether the store's figures are ours. The store's SHA-256 of
// the whole object is the only checksum that counts.
func compare(o Object, s Stored) error {
	want := Checksum{Algorithm: "SHA256", Type: "FULL_OBJECT", Value: base64.StdEncoding.EncodeToString(o.SHA256[:])}
	switch {
	case s.Size != o.Size:
		return fmt.Errorf("%s: the store has %d bytes, ours are %d", o.Key, s.Size, o.Size)
	case s.Checksum != want:
		return fmt.Errorf("%s: the store's checksum is another than ours", o.Key)
	}
	return nil
}

// judge looks at the file when a transfer failed. What differs from its seal
// record twice is damaged here; what the card does not give may come back.
func judge(err error, b *body) error {
	if b.fault == nil && ClassOf(err) != Transfer {
		return err
	}
	first := b.fault
	again := b.check()
	switch {
	case differs(first) && differs(again):
		return &Error{Class: LocalCorruption, Err: again}
	case again != nil && !differs(again):
		return &Error{Class: Unreadable, Err: again}
	case first != nil && !differs(first):
		return &Error{Class: Unreadable, Err: first}
	case ClassOf(err) != Transfer:
		return &Error{Class: Transfer, Err: first}
	}
	return err
}

// differs tells a file that is not what was sealed from one that cannot be read.
func differs(err error) bool {
	return errors.Is(err, errDiffers) || errors.Is(err, io.ErrUnexpectedEOF)
}

// receipt is the proof as it is written to the card.
func (u *Uploader) receipt(o Object, p proof) segment.Receipt {
	now := u.stamp()
	state := "unsynchronised"
	if now.Synchronised {
		state = "synchronised"
	}
	return segment.Receipt{
		Endpoint: u.o.Endpoint, Bucket: u.o.Bucket, Key: o.Key, Size: o.Size, SHA256: hex.EncodeToString(o.SHA256[:]),
		Checksum: segment.Checksum(p.stored.Checksum), ETag: p.stored.ETag, VersionID: p.stored.VersionID,
		Proved: segment.Proof(u.o.Proved), By: p.by, Mode: u.o.Mode, At: moment(now.Time).Truncate(time.Second), Clock: state,
	}
}
