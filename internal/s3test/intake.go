package s3test

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"hash/crc32"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// intake receives a body: it goes to memory or to a temporary file, through
// the hashes, and is refused where one of them is not what the request says.
type intake struct {
	memory bytes.Buffer
	file   *os.File

	sha256, md5, crc32c hash.Hash
}

// maxMeta is the limit of AWS for user metadata, names and values.
const maxMeta = 2 << 10

func newIntake(dir string) (*intake, error) {
	in := &intake{sha256: sha256.New(), md5: md5.New(), crc32c: crc32.New(crc32.MakeTable(crc32.Castagnoli))}
	if dir == "" {
		return in, nil
	}
	f, err := os.CreateTemp(filepath.Join(dir, tempDir), "")
	in.file = f
	return in, err
}

// discard removes what was not kept.
func (in *intake) discard() {
	if in.file != nil {
		in.file.Close()
		os.Remove(in.file.Name()) // gone already where it was kept
	}
}

func (in *intake) receive(body io.Reader, size int64) error {
	target := io.Writer(&in.memory)
	if in.file != nil {
		target = in.file
	} else {
		in.memory.Grow(int(min(size, 64<<20)))
	}
	w := io.MultiWriter(target, in.sha256, in.md5, in.crc32c)
	n, err := io.CopyBuffer(struct{ io.Writer }{w}, io.LimitReader(body, size), make([]byte, 128<<10))
	switch {
	case err == io.ErrUnexpectedEOF || err == nil && n < size:
		return incomplete
	case err != nil:
		return err
	}
	return ended(body)
}

// ended reads the end of a body, where chunks hide their last signature.
func ended(body io.Reader) error {
	var one [1]byte
	n, err := io.ReadFull(body, one[:])
	switch {
	case n > 0:
		return malformedChunks
	case err == io.EOF:
		return nil
	}
	return err
}

// claims are the hashes that a request names, decoded; nil where it names
// none.
type claims struct {
	payload, md5 []byte
	algorithm    string // SHA256, CRC32C
	checksum     []byte
}

// checksums are the headers this store knows, and the length of their
// values.
var checksums = map[string]int{"SHA256": sha256.Size, "CRC32C": crc32.Size}

func claimsOf(h http.Header) (c claims, err error) {
	if p := h.Get(payloadKey); len(p) == 64 {
		if c.payload, err = hex.DecodeString(p); err != nil {
			return c, invalid("x-amz-content-sha256 must be hex.")
		}
	}
	if m := h.Get("Content-Md5"); m != "" {
		if c.md5, err = base64.StdEncoding.DecodeString(m); err != nil || len(c.md5) != md5.Size {
			return c, invalidDigest
		}
	}
	for name := range h {
		alg, ok := strings.CutPrefix(strings.ToUpper(name), "X-AMZ-CHECKSUM-")
		if !ok || alg == "MODE" || alg == "ALGORITHM" || alg == "TYPE" {
			continue
		}
		if c.algorithm != "" {
			return c, manyChecksums
		}
		size, ok := checksums[alg]
		if !ok {
			return c, notImplemented("checksum " + alg)
		}
		c.algorithm = alg
		if c.checksum, err = base64.StdEncoding.DecodeString(h.Get(name)); err != nil || len(c.checksum) != size {
			return c, invalid("Value for " + strings.ToLower(name) + " header is invalid.")
		}
	}
	return c, nil
}

// verify compares what was received with what was claimed.
func (in *intake) verify(c claims) error {
	sum := in.sha256.Sum(nil)
	switch {
	case c.payload != nil && !bytes.Equal(c.payload, sum):
		return wrongPayload
	case c.md5 != nil && !bytes.Equal(c.md5, in.md5.Sum(nil)):
		return badDigest
	case c.algorithm == "SHA256" && !bytes.Equal(c.checksum, sum),
		c.algorithm == "CRC32C" && !bytes.Equal(c.checksum, in.crc32c.Sum(nil)):
		return badDigest
	}
	return nil
}

// bodyOf unwraps the body as its x-amz-content-sha256 says and returns its
// size.
func (x *exchange) bodyOf(s signature, c *claims) (io.Reader, int64, error) {
	h, size := x.r.Header, x.r.ContentLength
	body := io.Reader(x.raw)
	switch kind := h.Get(payloadKey); {
	case kind == streaming || kind == streaming+trailing || kind == bareTrailing && x.r.TLS != nil:
		n, err := strconv.ParseInt(h.Get("X-Amz-Decoded-Content-Length"), 10, 64)
		if err != nil || n < 0 {
			return nil, 0, noLength
		}
		r := newChunked(x.raw, s, n)
		if r.bare = kind == bareTrailing; kind != streaming {
			r.trailer = c
		}
		size, body = n, r
	case kind == unsigned:
		if x.r.TLS == nil && size != 0 { // where nothing is sent there is nothing to protect
			return nil, 0, plainUnsigned
		}
	case strings.HasPrefix(kind, "STREAMING-"):
		return nil, 0, notImplemented(kind)
	case len(kind) != 64:
		return nil, 0, invalid("x-amz-content-sha256 is missing or unknown.")
	}
	if size < 0 {
		return nil, 0, noLength
	}
	if size > x.o.MaxSize {
		return nil, 0, tooLarge
	}
	return body, size, nil
}

func hashOf(s string) []byte {
	sum := sha256.Sum256([]byte(s))
	return sum[:]
}
