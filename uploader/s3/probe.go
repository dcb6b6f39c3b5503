package s3

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"net/http"
	"path"
	"slices"

	"canseal/uploader"

	"github.com/minio/minio-go/v7"
)

// Probe is what a store can do, and what our key pair may do there.
type Probe struct {
	IfNoneMatch         bool   `json:"if_none_match"`        // a taken key is refused
	Checksum            string `json:"checksum"`             // sha256, crc32c, md5: the first that the store compares; none
	MultipartChecksum   string `json:"multipart_checksum"`   // sha256, etag_only; none: no large segment can be proved
	ConditionalComplete bool   `json:"conditional_complete"` // the same for the completion of an upload

	Rights []Right `json:"rights"`
}

// Right is one thing that our key pair may do, or may not.
type Right struct {
	What   string `json:"what"`
	Needed bool   `json:"needed"` // by the daemon; else it is one too many
	Given  bool   `json:"given"`
	Error  string `json:"error,omitempty"` // why it cannot be told
}

// Quirks are the settings of upload.quirks that spare the daemon to find out.
func (p Probe) Quirks() uploader.Quirks {
	q := uploader.Quirks{IfNoneMatch: "off", Checksum: p.Checksum, MultipartChecksum: p.MultipartChecksum}
	if p.IfNoneMatch {
		q.IfNoneMatch = "on"
	}
	return q
}

// Lacks tells whether a right that is needed is not given.
func (p Probe) Lacks() bool {
	return slices.ContainsFunc(p.Rights, func(r Right) bool { return r.Needed && !r.Given })
}

// prober asks with the device's own device.json, which ends as it was, and
// with names that nobody uses. What is tried beyond our rights could do nothing
// if it were allowed: it goes with a checksum that is wrong.
type prober struct {
	*Client
	ctx     context.Context
	home    string // [PREFIX/]DEVICEID
	content []byte // of device.json
	Probe
}

// Probe finds out what the store can do. home is [PREFIX/]DEVICEID, content
// that of the device's device.json, which must be there.
func (c *Client) Probe(ctx context.Context, home string, content []byte) Probe {
	p := &prober{Client: c, ctx: ctx, home: home, content: content}
	p.IfNoneMatch = statusOf(p.put(p.fact(), true)) == http.StatusPreconditionFailed
	p.Checksum = p.compared()
	p.MultipartChecksum = p.partsCompared()
	p.needed()
	p.tooMany()
	p.put(p.fact(), false) // as it was
	return p.Probe
}

func (p *prober) put(o uploader.Object, create bool) error {
	_, err := p.send(p.ctx, new(exchange), o, create)
	return err
}

func statusOf(err error) int {
	var e *uploader.Error
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

// fact is device.json.
func (p *prober) fact() uploader.Object {
	return uploader.Object{Key: path.Join(p.home, "device.json"), Body: bytes.NewReader(p.content), Size: int64(len(p.content)), SHA256: sha256.Sum256(p.content)}
}

// spoiled is an object whose checksum is not that of its bytes.
func spoiled(o uploader.Object) uploader.Object {
	o.SHA256[0]++
	if raw, err := base64.StdEncoding.DecodeString(o.Send.Value); err == nil && len(raw) > 0 {
		raw[0]++
		o.Send.Value = base64.StdEncoding.EncodeToString(raw)
	}
	return o
}

// compared finds the first checksum that the store compares, and names.
func (p *prober) compared() string {
	crc := binary.BigEndian.AppendUint32(nil, crc32.Checksum(p.content, crc32.MakeTable(crc32.Castagnoli)))
	md := md5.Sum(p.content)
	word := base64.StdEncoding.EncodeToString
	for _, form := range []struct {
		name        string
		send, proof uploader.Checksum
	}{
		{"sha256", uploader.Checksum{}, uploader.Checksum{}},
		{"crc32c", uploader.Checksum{Algorithm: "CRC32C", Type: fullObject, Value: word(crc)}, uploader.Checksum{Algorithm: "CRC32C", Type: fullObject, Value: word(crc)}},
		{"md5", uploader.Checksum{Algorithm: "MD5", Type: fullObject, Value: word(md[:])}, uploader.Checksum{Algorithm: "MD5", Type: fullObject, Value: fmt.Sprintf("%x", md)}},
	} {
		good, bad := p.fact(), p.fact()
		good.Send, bad.Send = form.send, form.send
		if form.send != (uploader.Checksum{}) {
			good.Proofs = []uploader.Checksum{form.proof}
		}
		if uploader.ClassOf(p.put(spoiled(bad), false)) == uploader.Transfer && p.put(good, false) == nil && p.named(good) {
			return form.name
		}
	}
	return "none"
}

// named tells whether a look at an object proves it.
func (p *prober) named(o uploader.Object) bool {
	there, err := p.Stat(p.ctx, o.Key)
	_, class := o.Match(there)
	return err == nil && class == uploader.Confirmed
}

// partsCompared finds out what the store compares of parts.
func (p *prober) partsCompared() string {
	switch {
	case p.uploads(false):
		return "sha256"
	case p.uploads(true):
		return "etag_only"
	}
	return "none"
}

// uploads makes device.json of one part, after a part that is not what it says.
func (p *prober) uploads(etagOnly bool) bool {
	o := p.fact()
	part := uploader.Part{Number: 1, Size: o.Size, SHA256: o.SHA256, MD5: md5.Sum(p.content)}
	up, err := p.Begin(p.ctx, uploader.Upload{Key: o.Key, ETagOnly: etagOnly}, nil)
	if err != nil {
		return false
	}
	wrong := part
	wrong.SHA256[0]++
	wrong.MD5[0]++
	_, wrongErr := p.PutPart(p.ctx, up, wrong, p.fact().Body)
	if part.ETag, err = p.PutPart(p.ctx, up, part, p.fact().Body); err != nil {
		p.Abort(p.ctx, up)
		return false
	}
	o.Proofs = []uploader.Checksum{uploader.PartsChecksum([]uploader.Part{part}, etagOnly)}
	_, err = p.Complete(p.ctx, up, o, []uploader.Part{part}, true)
	if err != nil {
		p.ConditionalComplete = statusOf(err) == http.StatusPreconditionFailed
		_, err = p.Complete(p.ctx, up, o, []uploader.Part{part}, false)
	}
	return err == nil && uploader.ClassOf(wrongErr) == uploader.Transfer && p.named(o)
}

func (p *prober) right(what string, needed, given bool, err error) {
	r := Right{What: what, Needed: needed, Given: given}
	if err != nil && !given && statusOf(err) != http.StatusForbidden {
		r.Error = err.Error()
	}
	p.Rights = append(p.Rights, r)
}

// needed tries what the daemon does, under the name of a segment that cannot
// be: session and split 0.
func (p *prober) needed() {
	key := path.Join(p.home, "00000000", "00000000-00000000.MF4")
	_, err := p.Get(p.ctx, p.fact().Key, 64<<10)
	p.right("read own objects", true, err == nil, err)
	up, err := p.Begin(p.ctx, uploader.Upload{Key: key}, nil)
	p.right("write own segments", true, err == nil, err)
	if err != nil {
		return
	}
	_, err = p.Parts(p.ctx, up)
	p.right("list the parts of own uploads", true, err == nil, err)
	err = p.Abort(p.ctx, up)
	p.right("abort own uploads", true, err == nil, err)
}

// tooMany tries what a device has no need to do. Writes are tried only where
// the store compares checksums: none of them can succeed.
func (p *prober) tooMany() {
	other := path.Join(path.Dir(p.home), "00000000")
	if path.Base(p.home) == "00000000" {
		other = path.Join(path.Dir(p.home), "00000001")
	}
	if p.Checksum == "sha256" {
		p.mayWrite("write own settings", p.home+"/config.yaml")
		p.mayWrite("write under another device", other+"/device.json")
	}
	_, err := p.Stat(p.ctx, other+"/device.json")
	p.right("read under another device", false, err == nil || uploader.ClassOf(err) == uploader.NoneThere, err)
	err = p.remove(path.Join(p.home, "00000000", "00000000-00000000.MF4"))
	p.right("delete own segments", false, err == nil, err)
	for _, err = range p.List(p.ctx, "") {
		break
	}
	p.right("list the whole bucket", false, err == nil, err)
}

func (p *prober) mayWrite(what, key string) {
	o := spoiled(p.fact())
	o.Key = key
	err := p.put(o, true)
	class := uploader.ClassOf(err)
	p.right(what, false, class == uploader.Transfer || statusOf(err) == http.StatusPreconditionFailed, err)
}

// remove deletes an object, for Probe alone: the daemon never does.
func (p *prober) remove(key string) error {
	x := &exchange{op: opDelete}
	if err := p.core.Client.RemoveObject(x.in(p.ctx), p.o.Bucket, key, minio.RemoveObjectOptions{}); err != nil {
		return p.refused(x, err)
	}
	return nil
}
