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
	"sync/atomic"
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
	word   Checksum
	by     string // put, complete or stat
}

// traits is what is known of the store; all deliveries share it.
type traits struct {
	unconditional atomic.Bool // it knows no If-None-Match
	etagOnly      atomic.Bool // it compares no SHA-256 of parts
}

// delivery brings one segment into the store: in a goroutine of its own, which
// shares with the uploader only what is fixed, and the traits.
type delivery struct {
	o      *Options
	traits *traits
	it     item // a copy; its trial goes back to the queue
	line   segment.SealLine
	index  uint64 // put-index

	final  bool  // a request has been sent that makes the object
	wasted int64 // bytes read and sent in vain
	moved  bool  // a part has arrived
}

// offer brings the segment into the store and returns the receipt.
func (d *delivery) offer(ctx context.Context) (segment.Receipt, error) {
	file, err := d.o.Card.FS.Open(d.o.Card.Path(d.it.Name, segment.Sealed))
	if errors.Is(err, fs.ErrNotExist) {
		return segment.Receipt{}, errNotNow
	}
	if err != nil {
		return segment.Receipt{}, &Error{Class: Unreadable, Err: err}
	}
	defer file.Close()
	o, b, err := d.object(file)
	if err != nil {
		return segment.Receipt{}, err
	}
	p, err := d.carry(ctx, b, o)
	if err == nil {
		return d.receipt(o, p), nil
	}
	d.wasted += b.read
	if err = judge(err, b); ClassOf(err) == Transfer {
		d.it.parts = nil // the file is read again
	}
	return segment.Receipt{}, err
}

// carry sends the bytes of an open segment, as a whole or in parts.
func (d *delivery) carry(ctx context.Context, b *body, o Object) (proof, error) {
	if o.Size > 2*d.o.PartSize {
		return d.inParts(ctx, b, o)
	}
	d.final = true
	if err := b.quirky(&o, d.o.Quirks.Checksum); err != nil {
		return proof{}, &Error{Class: Transfer, Err: err}
	}
	return d.deliver(ctx, o, d.put)
}

// object describes a segment for the store.
func (d *delivery) object(file durable.File) (Object, *body, error) {
	it, line := d.it, d.line
	var sum [32]byte
	if n, err := hex.Decode(sum[:], []byte(line.SHA256)); err != nil || n != len(sum) {
		return Object{}, nil, &Error{Class: LocalCorruption, Err: fmt.Errorf("seal record of %s: no SHA-256", it.Name)}
	}
	if size, err := file.Size(); err == nil && size != line.Size {
		return Object{}, nil, &Error{Class: LocalCorruption, Err: fmt.Errorf("%s: %d bytes, sealed with %d", it.Name, size, line.Size)}
	}
	b := newBody(file, line.Size, sum)
	o := Object{Key: segment.Key(d.o.Prefix, d.o.Card.Device, it.Name, line.Start), Body: b, Size: line.Size, SHA256: sum}
	o.Meta = d.meta()
	return o, b, nil
}

// maxMeta is the room for user metadata, names and values.
const maxMeta = 2000

// meta is the metadata of the CANedge and ours.
func (d *delivery) meta() map[string]string {
	line, raw := d.line, d.line.Encode()
	m := map[string]string{
		"timestamp": line.Start.UTC().Format("20060102T150405"),
		"put-index": strconv.FormatUint(d.index, 10),
		"sha256":    line.SHA256,
		"seal":      base64.StdEncoding.EncodeToString(raw[:len(raw)-1]),
	}
	size := 0
	for name, value := range d.o.Meta {
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

// deliver gets an object into the store by put, or finds it there.
func (d *delivery) deliver(ctx context.Context, o Object, put func(context.Context, Object) (proof, error)) (proof, error) {
	if d.it.doubt || d.traits.unconditional.Load() {
		p, err := d.look(ctx, o)
		if err == nil || !absent(err) {
			return p, err
		}
	}
	p, err := put(ctx, o)
	if ClassOf(err) != Network || ctx.Err() != nil {
		d.it.resets = 0
		return p, err
	}
	d.it.resets++
	if !d.final {
		return p, err
	}
	// The answer may have been lost, and a refusal may look like a reset.
	d.it.doubt = true
	found, lookErr := d.look(ctx, o)
	switch {
	case lookErr == nil:
		return found, nil
	case absent(lookErr):
		d.it.doubt = false
	case RuleOf(ClassOf(lookErr)).About == Segment:
		return proof{}, lookErr
	}
	return proof{}, err
}

// put creates an object and wants the store's figures.
func (d *delivery) put(ctx context.Context, o Object) (proof, error) {
	create := d.o.Store.Create
	if d.traits.unconditional.Load() {
		create = d.o.Store.Replace
	}
	stored, err := create(ctx, o)
	if d.lacksCondition(err) {
		if _, err := o.Body.Seek(0, io.SeekStart); err != nil {
			return proof{}, &Error{Class: Transfer, Err: err}
		}
		return d.unseen(ctx, o, d.put)
	}
	return d.settle(ctx, o, stored, "put", err)
}

// lacksCondition tells whether the store has just said that it knows no
// conditional create, and remembers it.
func (d *delivery) lacksCondition(err error) bool {
	if ClassOf(err) != Quirk || d.o.Quirks.IfNoneMatch == "on" || d.traits.unconditional.Swap(true) {
		return false
	}
	d.o.Log.Warn("the store knows no conditional create; looking before each put instead", "error", err)
	return true
}

// settle judges what a put or the completion of an upload has brought.
func (d *delivery) settle(ctx context.Context, o Object, stored Stored, by string, err error) (proof, error) {
	switch {
	case ClassOf(err) == Confirmed:
		by = "stat"
	case err != nil:
		return proof{}, err
	}
	word, class := o.Match(stored)
	switch class {
	case Confirmed:
		return proof{stored, word, by}, nil
	case CannotCompare: // it names no checksum, or another kind
		return d.confirm(ctx, o)
	}
	return proof{}, &Error{Class: Transfer, Err: differs(o, stored)}
}

// confirm looks at what a put has left whose answer named no checksum. That
// something else lies there is no conflict then: whoever answered (a captive
// portal) is not our store.
func (d *delivery) confirm(ctx context.Context, o Object) (proof, error) {
	p, err := d.look(ctx, o)
	if ClassOf(err) == KeyConflict {
		err = &Error{Class: Unknown, Err: fmt.Errorf("what answers is not the store: %w", err)}
	}
	return p, err
}

// unseen is for stores without If-None-Match: it never puts over what it
// cannot see.
func (d *delivery) unseen(ctx context.Context, o Object, put func(context.Context, Object) (proof, error)) (proof, error) {
	p, err := d.look(ctx, o)
	if err == nil || !absent(err) {
		return p, err
	}
	return put(ctx, o)
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
func (d *delivery) look(ctx context.Context, o Object) (proof, error) {
	stored, err := d.o.Store.Stat(ctx, o.Key)
	if ClassOf(err) == CannotTell && d.traits.unconditional.Load() {
		// It may not be put over what cannot be seen. The store's word that it
		// knows no condition may be forged: the next try asks again.
		d.traits.unconditional.Store(d.o.Quirks.IfNoneMatch == "off")
		return proof{}, &Error{Class: Quirk, Err: errors.New("neither a conditional create nor a look at the key is possible")}
	}
	if err != nil {
		return proof{}, err
	}
	word, class := o.Match(stored)
	switch class {
	case Confirmed:
		return proof{stored, word, "stat"}, nil
	case CannotCompare:
		return proof{}, &Error{Class: class, Err: errors.New("the store names no checksum")}
	}
	return proof{}, &Error{Class: class, Err: differs(o, stored)}
}

// differs says in what the store's figures are not ours.
func differs(o Object, s Stored) error {
	if s.Size != o.Size {
		return fmt.Errorf("%s: the store has %d bytes, ours are %d", o.Key, s.Size, o.Size)
	}
	return fmt.Errorf("%s: the store's checksum is another than ours", o.Key)
}

// judge looks at the file when a transfer failed. What differs from its seal
// record twice is damaged here; what the card does not give may come back.
func judge(err error, b *body) error {
	first := b.fault
	if first == nil && ClassOf(err) != Transfer {
		return err
	}
	again := b.check()
	if altered(again) {
		again = b.check()
		if altered(again) {
			return &Error{Class: LocalCorruption, Err: again}
		}
	}
	switch {
	case again != nil:
		return &Error{Class: Unreadable, Err: again}
	case first != nil:
		return &Error{Class: Unreadable, Err: first}
	}
	return err
}

// altered tells a file that is not what was sealed from one that cannot be read.
func altered(err error) bool {
	return errors.Is(err, errDiffers) || errors.Is(err, io.ErrUnexpectedEOF)
}

// receipt is the proof as it is written to the card.
func (d *delivery) receipt(o Object, p proof) segment.Receipt {
	now := d.o.stamp()
	state := "unsynchronised"
	if now.Synchronised {
		state = "synchronised"
	}
	r := segment.Receipt{
		Endpoint: d.o.Endpoint, Bucket: d.o.Bucket, Key: o.Key, Size: o.Size, SHA256: hex.EncodeToString(o.SHA256[:]),
		Checksum: segment.Checksum(p.word), ETag: p.stored.ETag, VersionID: p.stored.VersionID,
		Proved: segment.Proof(d.o.Proved), By: p.by, Mode: d.o.Mode, At: moment(now.Time).Truncate(time.Second), Clock: state,
	}
	if p.word.Type == Composite {
		r.PartSize = d.o.PartSize
	}
	return r
}
