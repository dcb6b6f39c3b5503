package s3test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	algorithm = "AWS4-HMAC-SHA256"
	amzDate   = "20060102T150405Z"
	maxSkew   = 15 * time.Minute
	unsigned  = "UNSIGNED-PAYLOAD"
	streaming = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	trailing  = "-TRAILER"
	// bareTrailing has chunks without signatures: taken over TLS only.
	bareTrailing = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
	emptyHash    = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	payloadKey   = "X-Amz-Content-Sha256"
)

// signature is a verified request signature: what the signatures of chunks
// build on.
type signature struct {
	key   []byte // signing key of the day, region and service
	date  string // x-amz-date
	scope string // 20260504/us-east-1/s3/aws4_request
	value string // hex
	user  string // access key
}

// authorization is the header as it was sent.
type authorization struct {
	access, date, region, service, end string
	signed                             []string
	signature                          string
}

// authenticate verifies the signature in the Authorization header (AWS
// Signature Version 4, "Authenticating Requests: Using the Authorization
// Header").
func (x *exchange) authenticate() (signature, error) {
	header := x.r.Header.Get("Authorization")
	if header == "" {
		return signature{}, accessDenied
	}
	a, ok := parseAuthorization(header)
	if !ok {
		return signature{}, malformed
	}
	secret, ok := x.o.Keys[a.access]
	if !ok {
		return signature{}, unknownKey
	}
	if a.region != x.o.Region || a.service != "s3" || a.end != "aws4_request" {
		return signature{}, wrongRegion
	}
	if err := x.checkDate(a); err != nil {
		return signature{}, err
	}
	if !coversAll(a.signed, x.r.Header) {
		return signature{}, accessDenied
	}
	s := signature{user: a.access, key: signingKey(secret, a), date: x.r.Header.Get("X-Amz-Date"), value: a.signature,
		scope: strings.Join([]string{a.date, a.region, a.service, a.end}, "/")}
	canonical := sha256.Sum256([]byte(canonicalRequest(x.r, a.signed)))
	want := s.sign(algorithm, hex.EncodeToString(canonical[:]))
	if !hmac.Equal([]byte(want), []byte(a.signature)) {
		return signature{}, wrongSignature
	}
	return s, nil
}

// sign returns the signature of a string to sign with the given first line
// and last lines.
func (s *signature) sign(first string, last ...string) string {
	lines := append([]string{first, s.date, s.scope}, last...)
	return hex.EncodeToString(mac(s.key, strings.Join(lines, "\n")))
}

func parseAuthorization(header string) (a authorization, ok bool) {
	rest, ok := strings.CutPrefix(header, algorithm+" ")
	if !ok {
		return a, false
	}
	for field := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		switch name {
		case "Credential":
			p := strings.Split(value, "/")
			if len(p) < 5 {
				return a, false
			}
			n := len(p)
			a.access = strings.Join(p[:n-4], "/")
			a.date, a.region, a.service, a.end = p[n-4], p[n-3], p[n-2], p[n-1]
		case "SignedHeaders":
			a.signed = strings.Split(value, ";")
		case "Signature":
			a.signature = value
		}
	}
	return a, a.access != "" && len(a.signed) > 0 && len(a.signature) == 64
}

// checkDate wants x-amz-date near the store's clock, and of the day in the
// credential's scope.
func (x *exchange) checkDate(a authorization) error {
	sent := x.r.Header.Get("X-Amz-Date")
	t, err := time.Parse(amzDate, sent)
	if err != nil {
		return accessDenied
	}
	if t.Sub(x.now).Abs() > maxSkew {
		return skewed
	}
	if !strings.HasPrefix(sent, a.date) {
		return malformed
	}
	return nil
}

// coversAll tells whether the signed headers hold Host and all headers of
// the request whose names begin with x-amz-.
func coversAll(signed []string, header http.Header) bool {
	if !slices.Contains(signed, "host") {
		return false
	}
	for name := range header {
		name = strings.ToLower(name)
		if strings.HasPrefix(name, "x-amz-") && !slices.Contains(signed, name) {
			return false
		}
	}
	return true
}

func canonicalRequest(r *http.Request, signed []string) string {
	var b strings.Builder
	b.WriteString(r.Method + "\n" + escape(r.URL.Path, true) + "\n" + canonicalQuery(r.URL.RawQuery) + "\n")
	for _, name := range signed {
		b.WriteString(name + ":" + headerValue(r, name) + "\n")
	}
	b.WriteString("\n" + strings.Join(signed, ";") + "\n" + r.Header.Get(payloadKey))
	return b.String()
}

func headerValue(r *http.Request, name string) string {
	switch name {
	case "host":
		return r.Host
	case "content-length":
		return strconv.FormatInt(r.ContentLength, 10)
	}
	values := slices.Clone(r.Header.Values(name))
	for i, v := range values {
		values[i] = strings.Join(strings.Fields(v), " ")
	}
	return strings.Join(values, ",")
}

// canonicalQuery encodes each name and value again and sorts the pairs.
func canonicalQuery(raw string) string {
	if raw == "" {
		return ""
	}
	var pairs []string
	for pair := range strings.SplitSeq(raw, "&") {
		name, value, _ := strings.Cut(pair, "=")
		pairs = append(pairs, reescape(name)+"="+reescape(value))
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

func reescape(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		s = plain
	}
	return escape(s, false)
}

// escape is the UriEncode of the AWS documents: all but unreserved
// characters become %XX; slashes stay where asked.
func escape(s string, slashes bool) string {
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if isUnreserved(c) || c == '/' && slashes {
			b.WriteByte(c)
			continue
		}
		b.Write([]byte{'%', hexDigits[c>>4], hexDigits[c&15]})
	}
	return b.String()
}

func isUnreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
}

func signingKey(secret string, a authorization) []byte {
	key := []byte("AWS4" + secret)
	for _, part := range []string{a.date, a.region, a.service, a.end} {
		key = mac(key, part)
	}
	return key
}

func mac(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}
