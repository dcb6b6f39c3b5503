package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"

	"canseal/certs"
	"canseal/cmd/internal/reach"
	"canseal/cmd/internal/vouch"
	"canseal/segment"
	"canseal/uploader"
	"canseal/uploader/s3"
)

// Bounds of what is read of a bucket.
const (
	mostSegments = 1 << 20
	mostBytes    = 8 << 30 // of one segment
	factsBytes   = 64 << 10
)

// bucket verifies the segments below s3://BUCKET/PREFIX.
func (o *verification) bucket(ctx context.Context, place string, witness *vouch.Witness) ([]segment.Verification, error) {
	name, prefix, _ := strings.Cut(strings.TrimPrefix(place, "s3://"), "/")
	if name == "" {
		return nil, &reach.UsageError{Text: place + ": wanted s3://BUCKET/PREFIX"}
	}
	client, err := o.s3.Client(name)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	r := &remote{client: client, witness: witness, done: []segment.Verification{}}
	prefix = strings.TrimSuffix(prefix, "/")
	n := 0
	for e, err := range client.List(ctx, prefix) {
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", place, err)
		}
		folder, d, at, is := segment.ParseKey(e.Key)
		if !is || prefix != "" && e.Key != prefix && !strings.HasPrefix(e.Key, prefix+"/") {
			continue
		}
		if n++; n > mostSegments {
			return nil, fmt.Errorf("%s: more than %d segments: name a device, or a session", place, mostSegments)
		}
		if err := r.enter(ctx, folder, d); err != nil {
			return nil, err
		}
		if err := r.add(ctx, e.Key, at); err != nil {
			return nil, err
		}
	}
	r.leave()
	return r.done, nil
}

// remote walks the devices of a bucket, in the order of keys.
type remote struct {
	client  *s3.Client
	witness *vouch.Witness
	folder  string // of the device at hand
	objects *segment.Objects
	notes   []string
	done    []segment.Verification
}

// enter begins with a device, if it is another one.
func (r *remote) enter(ctx context.Context, folder string, d segment.Device) error {
	if r.objects != nil && r.folder == folder {
		return nil
	}
	r.leave()
	r.folder = folder
	crt, err := r.beside(ctx, certs.DeviceCertificate)
	if err != nil {
		return err
	}
	facts, err := r.beside(ctx, "device.json")
	if err != nil {
		return err
	}
	trust, err := r.witness.Trust(d, crt)
	if err != nil {
		r.notes = append(r.notes, err.Error())
	}
	trust.Head = headOf(facts, d)
	r.objects = segment.NewObjects(d, trust)
	return nil
}

// beside reads a file of the device at hand; nil where it has none, or where it
// may not be read.
func (r *remote) beside(ctx context.Context, name string) ([]byte, error) {
	content, err := r.client.Get(ctx, r.folder+"/"+name, factsBytes)
	if class := uploader.ClassOf(err); class == uploader.Network || class == uploader.Busy {
		return nil, err
	}
	return content, nil
}

// leave ends with the device at hand.
func (r *remote) leave() {
	if r.objects == nil {
		return
	}
	v := r.objects.Verification()
	v.Notes = append(v.Notes, r.notes...)
	r.done, r.objects, r.notes = append(r.done, v), nil, nil
}

// add reads one segment.
func (r *remote) add(ctx context.Context, key string, at segment.Object) error {
	sum := sha256.New()
	got, err := r.client.FetchAll(ctx, key, sum, mostBytes)
	if err != nil {
		return err
	}
	at.Size, at.SHA256 = got.Size, hex.EncodeToString(sum.Sum(nil))
	if text, has := got.Meta["seal"]; has {
		if at.Line, err = base64.StdEncoding.DecodeString(text); err != nil {
			at.Line = []byte{} // it cannot be read
		}
	}
	r.objects.Add(at)
	return nil
}
