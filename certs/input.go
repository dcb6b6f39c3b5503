package certs

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"strings"
)

// contents is what a file holds, before any rule on content.
type contents struct {
	certs []*x509.Certificate
	crls  []*x509.RevocationList
	other []string // what else was met
	notes []string
	empty bool

	guard guard
}

var (
	utf8BOM    = []byte("\xEF\xBB\xBF")
	pemBegin   = []byte("-----BEGIN ")
	whitespace = " \t\r\n\v\f"
)

// collect takes a file apart: PEM blocks, DER, or base64 of either, decoded
// once.
func collect(file []byte) (*contents, error) {
	if len(file) > maxFile {
		return nil, refuse(ReasonTooLarge, -1, "%d bytes, at most %d are read", len(file), maxFile)
	}
	if err := noPrivateKey(file); err != nil {
		return nil, err
	}
	c := new(contents)
	body, base := strip(file)
	switch {
	case len(body) == 0:
		c.empty = true
		return c, nil
	case c.plain(body):
		return c, c.read(body, base)
	case bytes.HasPrefix(body, []byte("\xFF\xFE")), bytes.HasPrefix(body, []byte("\xFE\xFF")):
		return nil, refuse(ReasonForm, 0, "UTF-16 text: save it as UTF-8 or ASCII")
	}
	decoded, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(body)), ""))
	if err != nil {
		return nil, refuse(ReasonForm, base, "neither PEM, nor DER, nor base64")
	}
	if err := noPrivateKey(decoded); err != nil {
		return nil, err
	}
	if decoded, base = strip(decoded); !c.plain(decoded) {
		return nil, refuse(ReasonForm, base, "base64 of something that is neither PEM nor DER")
	}
	return c, c.read(decoded, base)
}

// strip takes off a byte order mark and white space in front, and tells how
// many bytes that were. White space behind stays: DER may end in any byte.
func strip(file []byte) ([]byte, int) {
	body := bytes.TrimLeft(bytes.TrimPrefix(file, utf8BOM), whitespace)
	return body, len(file) - len(body)
}

// plain tells whether body can be read as it is.
func (c *contents) plain(body []byte) bool {
	return nextBlock(body, 0) >= 0 || len(body) > 0 && body[0] == 0x30
}

func (c *contents) read(body []byte, base int) error {
	if nextBlock(body, 0) >= 0 {
		return c.pem(body, base)
	}
	return c.der(body, base, "the file")
}

// noPrivateKey refuses a file with a PEM private key, whole or damaged,
// wherever it stands. The key itself is never shown.
func noPrivateKey(file []byte) error {
	at := bytes.Index(file, []byte("PRIVATE KEY-----"))
	if at < 0 {
		return nil
	}
	start := max(bytes.LastIndex(file[:at], pemBegin), 0)
	label := "PRIVATE KEY"
	if from := start + len(pemBegin); from < at && at-from < 40 && !bytes.ContainsAny(file[from:at], "-\r\n") {
		label = string(file[from:at]) + label
	}
	return privateKey(start, fmt.Sprintf("PEM block %q", label))
}

func privateKey(offset int, what string) error {
	return refuse(ReasonPrivateKey, offset, "%s: a private key does not belong here, and whoever saw this file has it: replace that key", what)
}

// nextBlock finds the next PEM block that begins a line, from offset from on.
func nextBlock(body []byte, from int) int {
	for from < len(body) {
		i := bytes.Index(body[from:], pemBegin)
		if i < 0 {
			return -1
		}
		if at := from + i; at == 0 || body[at-1] == '\n' || body[at-1] == '\r' {
			return at
		}
		from += i + len(pemBegin)
	}
	return -1
}

// pem walks every block of a text, in order.
func (c *contents) pem(body []byte, base int) error {
	text := false
	for pos := 0; ; {
		at := nextBlock(body, pos)
		if at < 0 {
			text = text || len(bytes.TrimSpace(body[pos:])) > 0
			break
		}
		text = text || len(bytes.TrimSpace(body[pos:at])) > 0
		block, rest := pem.Decode(body[at:])
		end := len(body) - len(rest)
		// Decode skips a damaged block silently and returns a later one.
		if second := nextBlock(body, at+1); block == nil || second >= 0 && second < end {
			return refuse(ReasonTruncated, base+at, "a PEM block that is damaged or has no end")
		}
		if err := c.block(block, base+at); err != nil {
			return err
		}
		pos = end
	}
	if text {
		c.notes = append(c.notes, "text between the PEM blocks was skipped")
	}
	return nil
}

// block takes one PEM block by its label.
func (c *contents) block(b *pem.Block, at int) error {
	what := fmt.Sprintf("PEM block %q at byte %d", b.Type, at)
	switch b.Type {
	case "CERTIFICATE", "X509 CERTIFICATE", "PKCS7", "CMS", "PKCS #7 SIGNED DATA":
		return c.der(b.Bytes, 0, what)
	case "X509 CRL":
		if err := c.guard.check(b.Bytes, 0); err != nil {
			return within(err, what)
		}
		list, err := x509.ParseRevocationList(b.Bytes)
		if err != nil {
			return refuse(ReasonCRL, at, "%s: %v", what, err)
		}
		c.crls = append(c.crls, list)
	default:
		c.other = append(c.other, fmt.Sprintf("a PEM block %q", b.Type))
		c.notes = append(c.notes, what+" was skipped")
	}
	return nil
}

// der takes one DER or BER structure: a certificate or PKCS#7.
func (c *contents) der(b []byte, base int, what string) error {
	if err := c.guard.check(b, base); err != nil {
		return within(err, what)
	}
	cert, err := x509.ParseCertificate(b)
	if err == nil {
		c.certs = append(c.certs, cert)
		return nil
	}
	if kind := contentType(b); kind != nil {
		return c.pkcs7(b, kind, base, what)
	}
	return c.foreign(b, base, what, err)
}

// foreign says what a structure is that has no place in a bundle.
func (c *contents) foreign(b []byte, base int, what string, err error) error {
	kind := foreignKind(b)
	switch kind {
	case "":
		return refuse(ReasonForm, base, "%s is neither a certificate nor PKCS#7: %v", what, err)
	case keyKind:
		return privateKey(base, what)
	}
	return refuse(ReasonForm, base, "%s is %s, not a certificate", what, kind)
}

// within adds the place of a structure to a guard's error.
func within(err error, what string) error {
	if e, ok := err.(*BundleError); ok {
		e.Detail = what + ": " + e.Detail
	}
	return err
}

// found names what a file without any certificate holds.
func (c *contents) found() string {
	list := c.other
	if n := len(c.crls); n > 0 {
		list = append(list, fmt.Sprintf("%d revocation list(s)", n))
	}
	if len(list) == 0 {
		return "no certificate"
	}
	return "no certificate but " + strings.Join(list, ", ")
}
