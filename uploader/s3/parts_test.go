package s3_test

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"

	"canseal/uploader"
)

// cutInParts makes parts of 5 MiB, the least that stores take, and what the store must
// say of the whole.
func cutInParts(data []byte) (parts []uploader.Part, o uploader.Object) {
	const size = 5 << 20
	whole := sha256.New()
	for at := 0; at < len(data); at += size {
		piece := data[at:min(at+size, len(data))]
		p := uploader.Part{Number: len(parts) + 1, Size: int64(len(piece)), SHA256: sha256.Sum256(piece), MD5: md5.Sum(piece)}
		whole.Write(p.SHA256[:])
		parts = append(parts, p)
	}
	o = object(key, data)
	o.Proofs = []uploader.Checksum{{Algorithm: "SHA256", Type: "COMPOSITE",
		Value: fmt.Sprintf("%s-%d", base64.StdEncoding.EncodeToString(whole.Sum(nil)), len(parts))}}
	return parts, o
}

func piece(data []byte, p uploader.Part) *bytes.Reader {
	from := (p.Number - 1) * 5 << 20
	return bytes.NewReader(data[from : from+int(p.Size)])
}

// An upload is begun by one client, gone on with by another, and completed.
func TestAnUploadOfTwoClients(t *testing.T) {
	everywhere(t, func(t *testing.T, w world) {
		data := random(11 << 20)
		parts, o := cutInParts(data)
		c := w.client(t)
		up, err := c.Begin(t.Context(), uploader.Upload{Key: key}, map[string]string{"sha256": "abc"})
		must(t, err)
		wrong := parts[1]
		wrong.SHA256[0]++
		_, err = c.PutPart(t.Context(), up, wrong, piece(data, parts[1]))
		wantClass(t, err, uploader.Transfer)
		for i := range parts[:2] {
			parts[i].ETag, err = c.PutPart(t.Context(), up, parts[i], piece(data, parts[i]))
			must(t, err)
		}
		c = w.client(t)
		list, err := c.Parts(t.Context(), up)
		must(t, err)
		if len(list) != 2 || list[1].SHA256 != parts[1].SHA256 || list[1].Size != parts[1].Size || list[1].ETag != parts[1].ETag {
			t.Errorf("listed %+v", list)
		}
		parts[2].ETag, err = c.PutPart(t.Context(), up, parts[2], piece(data, parts[2]))
		must(t, err)
		stored, err := c.Complete(t.Context(), up, o, parts, true)
		must(t, err)
		if word, class := o.Match(stored); class != uploader.Confirmed || word.Type != "COMPOSITE" {
			t.Errorf("the answer to the completion: %+v", stored)
		}
		there, err := c.Stat(t.Context(), key)
		must(t, err)
		if _, class := o.Match(there); class != uploader.Confirmed {
			t.Errorf("a look: %+v", there)
		}
		got, err := c.Get(t.Context(), key, 20<<20)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("read back %d bytes, %v", len(got), err)
		}
		// The same completion again: a lost answer does no harm.
		_, err = c.Complete(t.Context(), up, o, parts, true)
		if class := uploader.ClassOf(err); err != nil && class != uploader.Confirmed && class != uploader.NoneThere {
			t.Errorf("completed again: %v", err)
		}
	})
}

func TestAnUploadUnderATakenKey(t *testing.T) {
	everywhere(t, func(t *testing.T, w world) {
		data := random(6 << 20)
		parts, o := cutInParts(data)
		c := w.client(t)
		_, err := c.Create(t.Context(), object(key, random(10)))
		must(t, err)
		up, err := c.Begin(t.Context(), uploader.Upload{Key: key}, nil)
		must(t, err)
		for i := range parts {
			parts[i].ETag, err = c.PutPart(t.Context(), up, parts[i], piece(data, parts[i]))
			must(t, err)
		}
		_, err = c.Complete(t.Context(), up, o, parts, true)
		wantClass(t, err, uploader.KeyConflict)
		if list, err := c.Parts(t.Context(), up); err != nil || len(list) != 2 {
			t.Errorf("the upload is gone: %v, %v", list, err)
		}
		must(t, c.Abort(t.Context(), up))
		must(t, c.Abort(t.Context(), up))
		_, err = c.Parts(t.Context(), up)
		wantClass(t, err, uploader.NoneThere)
		// versitygw may close the connection under the body instead.
		_, err = c.PutPart(t.Context(), up, parts[0], piece(data, parts[0]))
		if class := uploader.ClassOf(err); err == nil || class != uploader.NoneThere && class != uploader.Network {
			t.Errorf("a part of an upload that was aborted: %v", err)
		}
		// versitygw says yes where an object is there, whatever it is: only a
		// comparison tells.
		stored, err := c.Complete(t.Context(), up, o, parts, false)
		if _, class := o.Match(stored); err == nil && class == uploader.Confirmed || err != nil && uploader.ClassOf(err) != uploader.NoneThere {
			t.Errorf("an upload that was aborted is completed: %+v, %v", stored, err)
		}
	})
}

func TestAnUploadWithETagsOnly(t *testing.T) {
	everywhere(t, func(t *testing.T, w world) {
		data := random(6 << 20)
		parts, o := cutInParts(data)
		mds := md5.New()
		for _, p := range parts {
			mds.Write(p.MD5[:])
		}
		o.Proofs = []uploader.Checksum{{Algorithm: "MD5", Type: "COMPOSITE", Value: fmt.Sprintf("%x-%d", mds.Sum(nil), len(parts))}}
		c := w.client(t)
		up, err := c.Begin(t.Context(), uploader.Upload{Key: key, ETagOnly: true}, nil)
		must(t, err)
		wrong := parts[1]
		wrong.MD5[0]++
		_, err = c.PutPart(t.Context(), up, wrong, piece(data, parts[1]))
		wantClass(t, err, uploader.Transfer)
		for i := range parts {
			parts[i].ETag, err = c.PutPart(t.Context(), up, parts[i], piece(data, parts[i]))
			must(t, err)
		}
		stored, err := c.Complete(t.Context(), up, o, parts, true)
		must(t, err)
		if word, class := o.Match(stored); class != uploader.Confirmed || word.Algorithm != "MD5" {
			t.Errorf("%+v: %s", stored, class)
		}
	})
}

// Where a store takes no SHA-256 another checksum travels, and counts only
// then.
func TestAnObjectWithAnotherChecksum(t *testing.T) {
	everywhere(t, func(t *testing.T, w world) {
		c := w.client(t)
		data := random(100_000)
		for i, o := range []uploader.Object{quirky("CRC32C", data), quirky("MD5", data)} {
			o.Key = strings.Replace(key, "00000001-", fmt.Sprintf("0000001%d-", i), 1)
			stored, err := c.Create(t.Context(), o)
			must(t, err)
			if word, class := o.Match(stored); class != uploader.Confirmed || word.Algorithm != o.Send.Algorithm {
				t.Errorf("%s: %+v: %s", o.Send.Algorithm, stored, class)
			}
			there, err := c.Stat(t.Context(), o.Key)
			must(t, err)
			if _, class := o.Match(there); class != uploader.Confirmed {
				t.Errorf("%s: a look: %+v: %s", o.Send.Algorithm, there, class)
			}
			o.Proofs = nil
			if _, class := o.Match(there); class != uploader.CannotCompare {
				t.Errorf("%s counts although no quirk says so: %s", o.Send.Algorithm, class)
			}
			if o.Send.Algorithm == "CRC32C" {
				o.Send.Value = "AAAAAA=="
			} else {
				o.Send.Value = "AAAAAAAAAAAAAAAAAAAAAA=="
			}
			o.Key, o.Body = o.Key+"x", bytes.NewReader(data)
			_, err = c.Create(t.Context(), o)
			wantClass(t, err, uploader.Transfer)
		}
	})
}

func quirky(algorithm string, data []byte) uploader.Object {
	o := object(key, data)
	sum := md5.Sum(data)
	o.Send = uploader.Checksum{Algorithm: "MD5", Type: "FULL_OBJECT", Value: base64.StdEncoding.EncodeToString(sum[:])}
	proof := uploader.Checksum{Algorithm: "MD5", Type: "FULL_OBJECT", Value: fmt.Sprintf("%x", sum)}
	if algorithm == "CRC32C" {
		crc := binary.BigEndian.AppendUint32(nil, crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)))
		o.Send = uploader.Checksum{Algorithm: algorithm, Type: "FULL_OBJECT", Value: base64.StdEncoding.EncodeToString(crc)}
		proof = o.Send
	}
	o.Proofs = []uploader.Checksum{proof}
	return o
}
