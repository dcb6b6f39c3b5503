package s3test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// chunked reads an aws-chunked body whose chunks are signed ("Signature
// calculations for the authorization header: transferring payload in
// multiple chunks"):
//
//	HEXSIZE;chunk-signature=HEX64 \r\n  bytes \r\n  ...  0;chunk-signature=HEX64 \r\n \r\n
//
// Bytes are handed on before their chunk's signature is known; the error at
// the end of the chunk says that they must not be kept. With trailers the last
// chunk is followed by a checksum; without signatures the lines are bare sizes.
type chunked struct {
	r    *bufio.Reader
	sign signature // value: of the chunk before
	hash hash.Hash // of this chunk

	left  int64 // bytes of this chunk still to come
	total int64 // bytes that may still come after this chunk
	want  string
	err   error

	bare    bool    // no signatures: TLS protects the body
	trailer *claims // what a trailer says goes here; nil: there is none
}

// chunkLine is the longest line that begins a chunk.
const chunkLine = 128

func newChunked(r io.Reader, s signature, size int64) *chunked {
	return &chunked{r: bufio.NewReaderSize(r, 64<<10), sign: s, hash: sha256.New(), total: size}
}

func (c *chunked) Read(p []byte) (int, error) {
	if c.left == 0 && c.err == nil {
		c.err = c.next()
	}
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.r.Read(p[:min(int64(len(p)), c.left)])
	c.hash.Write(p[:n])
	c.left -= int64(n)
	switch {
	case err != nil:
		c.err = incomplete
	case c.left == 0:
		c.err = c.close()
	}
	return n, c.err
}

// next reads the line that begins a chunk. The chunk of size 0 ends the
// body.
func (c *chunked) next() error {
	size, err := c.line()
	if err != nil {
		return err
	}
	if size > c.total {
		return malformedChunks
	}
	c.hash.Reset()
	c.left, c.total = size, c.total-size
	if size > 0 {
		return nil
	}
	if c.trailer != nil {
		if err := c.trailers(); err != nil {
			return err
		}
	} else if err := c.close(); err != nil {
		return err
	}
	if c.total > 0 {
		return incomplete
	}
	if _, err := c.r.ReadByte(); err != io.EOF {
		return malformedChunks
	}
	return io.EOF
}

func (c *chunked) line() (size int64, err error) {
	var line []byte
	for len(line) < chunkLine && !bytes.HasSuffix(line, []byte("\r\n")) {
		b, err := c.r.ReadByte()
		if err != nil {
			return 0, incomplete
		}
		line = append(line, b)
	}
	digits, value, ok := bytes.Cut(bytes.TrimSuffix(line, []byte("\r\n")), []byte(";chunk-signature="))
	n, err := strconv.ParseUint(string(digits), 16, 62)
	if err != nil || ok == c.bare || !c.bare && len(value) != 64 {
		return 0, malformedChunks
	}
	c.want = string(value)
	return int64(n), nil
}

// close reads the line end behind a chunk and verifies the signature.
func (c *chunked) close() error {
	var end [2]byte
	if _, err := io.ReadFull(c.r, end[:]); err != nil {
		return incomplete
	}
	if end != [2]byte{'\r', '\n'} {
		return malformedChunks
	}
	return c.verify()
}

// verify compares the signature of a chunk.
func (c *chunked) verify() error {
	if c.bare {
		return nil
	}
	got := c.sign.sign(algorithm+"-PAYLOAD", c.sign.value, emptyHash, hex.EncodeToString(c.hash.Sum(nil)))
	if got != c.want {
		return wrongSignature
	}
	c.sign.value = got
	return nil
}

// trailers reads the lines behind the last chunk: one checksum and, where
// chunks are signed, a signature of it.
func (c *chunked) trailers() error {
	if err := c.verify(); err != nil {
		return err
	}
	line, err := c.trailerLine()
	if err != nil {
		return err
	}
	name, value, _ := strings.Cut(line, ":")
	h := http.Header{}
	h.Set(name, value)
	said, err := claimsOf(h)
	if err != nil || said.algorithm == "" {
		return malformedChunks
	}
	c.trailer.algorithm, c.trailer.checksum = said.algorithm, said.checksum
	if !c.bare {
		sum := sha256.Sum256([]byte(line + "\n"))
		want := c.sign.sign(algorithm+"-TRAILER", c.sign.value, hex.EncodeToString(sum[:]))
		if line, err = c.trailerLine(); err != nil {
			return err
		}
		if line != "x-amz-trailer-signature:"+want {
			return wrongSignature
		}
	}
	rest, err := io.ReadAll(io.LimitReader(c.r, 8))
	if err != nil || len(bytes.TrimLeft(rest, "\r\n")) > 0 {
		return malformedChunks
	}
	return nil
}

// trailerLine reads the next line that is not empty. Clients end the lines of
// trailers in different ways.
func (c *chunked) trailerLine() (string, error) {
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil || len(line) > 2*chunkLine {
			return "", incomplete
		}
		if text := strings.TrimRight(string(line), "\r\n"); text != "" {
			return text, nil
		}
	}
}
