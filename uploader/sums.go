package uploader

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
)

// partSize is that of all parts but the last, in bytes: always the same, so
// that the store's composite checksum can be computed again at any time.
const partSize = 8 << 20

// parter cuts what is written into parts and hashes each.
type parter struct {
	size     int64 // of a part
	etagOnly bool
	parts    []Part
	sha, md  hash.Hash
}

func newParter(size int64, etagOnly bool) *parter {
	return &parter{size: size, etagOnly: etagOnly, sha: sha256.New(), md: md5.New()}
}

func (p *parter) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0; {
		if n := len(p.parts); n == 0 || p.parts[n-1].Size == p.size {
			p.end()
			p.parts = append(p.parts, Part{Number: n + 1})
		}
		part := &p.parts[len(p.parts)-1]
		piece := rest[:min(int64(len(rest)), p.size-part.Size)]
		p.sha.Write(piece)
		if p.etagOnly {
			p.md.Write(piece)
		}
		part.Size += int64(len(piece))
		rest = rest[len(piece):]
	}
	return len(b), nil
}

// end closes the part that was begun last.
func (p *parter) end() {
	if len(p.parts) == 0 {
		return
	}
	part := &p.parts[len(p.parts)-1]
	p.sha.Sum(part.SHA256[:0])
	p.sha.Reset()
	if p.etagOnly {
		p.md.Sum(part.MD5[:0])
		p.md.Reset()
	}
}

// survey reads the file once: it compares it with its seal record and returns
// its parts.
func (b *body) survey(size int64, etagOnly bool) ([]Part, error) {
	p := newParter(size, etagOnly)
	if err := b.through(p); err != nil {
		return nil, err
	}
	p.end()
	return p.parts, nil
}

// PartsChecksum is the store's checksum of an object made of parts: the hash of
// their hashes. A store that compares no SHA-256 says the same of MD5 in its
// ETag.
func PartsChecksum(parts []Part, etagOnly bool) Checksum {
	sha, md := sha256.New(), md5.New()
	for _, p := range parts {
		sha.Write(p.SHA256[:])
		md.Write(p.MD5[:])
	}
	if etagOnly {
		return Checksum{"MD5", Composite, fmt.Sprintf("%s-%d", hex.EncodeToString(md.Sum(nil)), len(parts))}
	}
	return Checksum{"SHA256", Composite, fmt.Sprintf("%s-%d", base64.StdEncoding.EncodeToString(sha.Sum(nil)), len(parts))}
}

// quirky fills in the checksum that a store takes instead of a SHA-256. It
// reads the file once.
func (b *body) quirky(o *Object, algorithm string) error {
	var h hash.Hash
	switch algorithm {
	case "crc32c":
		h = crc32.New(crc32.MakeTable(crc32.Castagnoli))
	case "md5":
		h = md5.New()
	default:
		return nil
	}
	if err := b.through(h); err != nil {
		return err
	}
	if _, err := b.Seek(0, io.SeekStart); err != nil {
		return err
	}
	sum := h.Sum(nil)
	o.Send = Checksum{"CRC32C", FullObject, base64.StdEncoding.EncodeToString(sum)}
	proof := o.Send
	if algorithm == "md5" {
		o.Send.Algorithm = "MD5"
		proof = Checksum{"MD5", FullObject, hex.EncodeToString(sum)}
	}
	o.Proofs = append(o.Proofs, proof)
	return nil
}
