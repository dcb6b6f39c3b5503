package s3

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"canseal/certs"
	"canseal/internal/openssl"
	"canseal/uploader"
)

// seen is all that the table below looks at.
type seen struct {
	op     operation
	secure bool
	// Before an answer:
	err       error             // what ended the request, nil with an answer
	cut       bool              // it was cut in the middle of a good answer
	body      bool              // our own file could not be read
	trust     *certs.TrustError // the server's certificate
	own       error             // why ours could not be shown
	synced    bool              // our clock is synchronised
	alert     uint8             // the other side's word against us in TLS
	alerted   bool
	hello     bool // it had begun to answer before that
	accepted  bool // its certificate was accepted before that
	asked     bool // ours had been asked for
	shown     *certs.Identity
	protected bool // the alert came inside a TLS 1.3 session
	// Of an answer:
	status int
	code   string
	header string // that the store says it does not support
	html   bool
}

// rule is one line of the table: what was seen, and what it means.
type rule struct {
	seen  string
	match func(s *seen) bool
	class uploader.Class
}

// Codes of S3 and its relatives. A code comes before the status, because some
// stores use one status for very different things.
var codes = map[string]uploader.Class{
	"SlowDown": uploader.Busy, "ServiceUnavailable": uploader.Busy, "InternalError": uploader.Busy, "Throttling": uploader.Busy,
	"OperationAborted": uploader.Busy, "ConditionalRequestConflict": uploader.Busy,
	"RequestTimeout": uploader.Network,
	"BadDigest":      uploader.Transfer, "IncompleteBody": uploader.Transfer, "NoSuchUpload": uploader.Transfer, "InvalidDigest": uploader.Transfer,
	"XAmzContentSHA256Mismatch": uploader.Transfer, "XAmzContentChecksumMismatch": uploader.Transfer,
	"InvalidPart": uploader.Transfer, "InvalidPartOrder": uploader.Transfer, "EntityTooSmall": uploader.Transfer,
	"EntityTooLarge":       uploader.TooLarge,
	"RequestTimeTooSkewed": uploader.Clock,
	"NoSuchBucket":         uploader.Config, "PermanentRedirect": uploader.Config, "TemporaryRedirect": uploader.Config,
	"AuthorizationHeaderMalformed": uploader.Config, "InvalidRegion": uploader.Config, "IllegalLocationConstraintException": uploader.Config,
	"MethodNotAllowed": uploader.Config, "InvalidBucketName": uploader.Config,
	"QuotaExceeded": uploader.StoreFull, "XMinioAdminBucketQuotaExceeded": uploader.StoreFull, "XMinioStorageFull": uploader.StoreFull,
	"InvalidAccessKeyId": uploader.Credentials, "XAdminUserNotFound": uploader.Credentials,
	"InvalidToken": uploader.Credentials, "ExpiredToken": uploader.Credentials,
	"SignatureDoesNotMatch": uploader.Credentials,
}

// table turns what was seen into a class; the first line that fits counts.
var table = []rule{
	{"our own file cannot be read", func(s *seen) bool { return s.body }, uploader.Transfer},
	{"an address that no store has", func(s *seen) bool { return isA[*addressError](s.err) }, uploader.Config},
	{"the proxy refuses the endpoint", func(s *seen) bool { return isA[*proxyError](s.err) }, uploader.Network},
	{"a certificate out of date, and no synchronised clock", func(s *seen) bool { return s.trust != nil && s.trust.Dates() && !s.synced }, uploader.Clock},
	{"a certificate that is not trusted", func(s *seen) bool { return s.trust != nil }, uploader.Trust},
	{"our own certificate out of date, and no synchronised clock", func(s *seen) bool { return s.ownDates() && !s.synced }, uploader.Clock},
	{"this device has no certificate that it could show", func(s *seen) bool { return s.own != nil }, uploader.Identity},
	{"a server that does not ask who we are, in mode high", func(s *seen) bool { return errors.Is(s.err, errNotAsked) }, uploader.Config},
	{"a connection that gives up forward secrecy", func(s *seen) bool { return isA[*downgradeError](s.err) }, uploader.Config},
	{"plain HTTP where TLS was wanted", func(s *seen) bool { return isA[tls.RecordHeaderError](s.err) }, uploader.Config},
	{"an identity alert inside a TLS 1.3 session", func(s *seen) bool { return s.protected && s.asked && s.is(identityAlerts...) }, uploader.Identity},
	{"no common version (alert 70)", func(s *seen) bool { return s.is(70) }, uploader.Config},
	{"no common suite (alert 40, 71) for the first word", func(s *seen) bool { return s.is(40, 71) && !s.hello && !s.accepted && !s.asked }, uploader.Config},
	{"an identity alert in TLS 1.2, or 40 again, after both certificates", func(s *seen) bool {
		return s.accepted && s.asked && (s.is(identityAlerts...) || s.is(40))
	}, uploader.IdentitySuspected},
	{"an answer, or a list, that goes on and on", func(s *seen) bool { return s.cut && errors.Is(s.err, errLongAnswer) }, uploader.Unknown},
	{"an answer that breaks off", func(s *seen) bool { return s.cut }, uploader.Network},
	{"no answer", func(s *seen) bool { return s.status == 0 }, uploader.Network},

	{"a page instead of S3, from a server that asked who we are: 400, 403, or nginx's 495 and 496", func(s *seen) bool {
		return s.secure && s.asked && (s.html && (s.status == 400 || s.status == 403) || s.status == 495 || s.status == 496)
	}, uploader.Identity},
	{"no such object", func(s *seen) bool {
		return s.status == 404 && s.code != "NoSuchBucket" && (s.op == opStat || s.op == opGet)
	}, uploader.NoneThere},
	{"no such upload", func(s *seen) bool {
		return s.op.inUpload() && (s.code == "NoSuchUpload" || s.status == 404 && s.code != "NoSuchBucket")
	}, uploader.NoneThere},
	{"403 on a list of parts", func(s *seen) bool { return s.status == 403 && s.op == opParts && codes[s.code] == 0 }, uploader.CannotTell},
	{"a lack of support for a header of ours", func(s *seen) bool { return s.status == 501 || s.status == 400 && oursHeader(s.header) }, uploader.Quirk},
	{"a known code", func(s *seen) bool { _, ok := codes[s.code]; return ok }, uploader.Unknown}, // the class is the code's
	{"403 on a look at our own key", func(s *seen) bool { return s.status == 403 && s.op == opStat }, uploader.CannotTell},
	{"401, 403", func(s *seen) bool { return s.status == 401 || s.status == 403 }, uploader.Credentials},
	{"the key is taken", func(s *seen) bool { return s.status == 412 }, uploader.CannotCompare}, // until Create has looked
	{"too large", func(s *seen) bool { return s.status == 413 }, uploader.TooLarge},
	{"no room", func(s *seen) bool { return s.status == 507 }, uploader.StoreFull},
	{"a conflict of two writers", func(s *seen) bool { return s.status == 409 }, uploader.Busy},
	{"a store that has no time", func(s *seen) bool { return slices.Contains([]int{429, 500, 502, 503, 504}, s.status) }, uploader.Busy},
	{"408", func(s *seen) bool { return s.status == 408 }, uploader.Network},
	{"a redirect", func(s *seen) bool { return s.status/100 == 3 }, uploader.Config},
	{"405", func(s *seen) bool { return s.status == 405 }, uploader.Config},
	{"400 as a page, over http: a port that wants TLS", func(s *seen) bool { return s.status == 400 && s.html && !s.secure }, uploader.Config},
}

func (s *seen) is(alerts ...uint8) bool { return s.alerted && slices.Contains(alerts, s.alert) }

func isA[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}

func oursHeader(h string) bool {
	return strings.EqualFold(h, "If-None-Match") || strings.EqualFold(h, headerSHA256) || strings.EqualFold(h, headerCRC32C) ||
		strings.EqualFold(h, "x-amz-sdk-checksum-algorithm") || strings.EqualFold(h, "x-amz-checksum-algorithm")
}

// classOf looks a sight up in the table.
func (s *seen) classOf() uploader.Class {
	for _, r := range table {
		if !r.match(s) {
			continue
		}
		if c, ok := codes[s.code]; ok && r.class == uploader.Unknown {
			return c
		}
		return r.class
	}
	return uploader.Unknown
}

// refused makes the error of a request: its class, and of the server's words
// only status, code and request id.
func (c *Client) refused(x *exchange, err error) *uploader.Error {
	x.mu.Lock()
	defer x.mu.Unlock()
	s := c.see(x, err)
	e := &uploader.Error{Class: s.classOf(), Status: s.status, Code: s.code, RequestID: c.harmless(requestIDForm, x.answer.RequestID)}
	switch {
	case x.body != nil:
		e.Err = fmt.Errorf("read the object: %w", x.body)
	case s.trust != nil:
		e.Err = s.trust
	case s.own != nil:
		e.Err = s.own
	case e.Class == uploader.Identity, e.Class == uploader.IdentitySuspected:
		e.Err = s.refusal(c.wire.dialer.judged())
	case s.err != nil:
		e.Err = reduce(s.err)
	}
	e.RetryAfter = retryAfter(x.answer.retryAfter, c.o.Now())
	return e
}

// see gathers what was seen of an exchange that ended in err.
func (c *Client) see(x *exchange, err error) *seen {
	s := &seen{op: x.op, secure: c.mode.Scheme == "https", synced: c.o.Synchronised(), body: x.body != nil, status: x.status}
	if x.cut != nil {
		s.cut, s.err = true, x.cut
		return s
	}
	if x.conn != nil {
		s.asked, s.shown, s.protected = x.conn.asked, x.conn.shown, x.conn.tls13
	}
	if s.status != 0 {
		s.code, s.html = c.harmless(codeForm, x.answer.Code), x.answer.html
		s.header = x.answer.Header + x.answer.Argument
		return s
	}
	s.err = err
	if x.dial != nil {
		s.err = x.dial
		s.trust = certs.Explain(x.dial, c.wire.dialer.judged())
	} else if x.conn != nil && x.conn.alert() != nil {
		s.err = x.conn.alert()
	}
	s.alert, s.alerted = remoteAlert(s.err)
	var t *tlsError
	if errors.As(s.err, &t) {
		s.hello, s.accepted, s.asked, s.shown, s.own, s.protected = t.hello, t.accepted, t.asked, t.shown, t.own, false
	}
	return s
}

// judged is the time by which the dates of certificates are judged.
func (d *dialer) judged() time.Time {
	if d.tls != nil && d.tls.Time != nil {
		return d.tls.Time()
	}
	return time.Now()
}

// remoteAlert returns the number of an alert that the other side sent. The
// standard library keeps it in an unexported type; a test holds this to each
// release of Go.
func remoteAlert(err error) (uint8, bool) {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" {
		return 0, false
	}
	v := reflect.ValueOf(op.Err)
	if v.Kind() != reflect.Uint8 {
		return 0, false
	}
	return uint8(v.Uint()), true
}

var (
	codeForm      = regexp.MustCompile(`^[A-Za-z0-9]{1,64}$`)
	requestIDForm = regexp.MustCompile(`^[A-Za-z0-9._=+/-]{1,128}$`)
	labelForm     = regexp.MustCompile(`^[!-~]+$`)
)

// harmless returns a word of the server if it has the right form and is not a
// secret of ours given back.
func (c *Client) harmless(form *regexp.Regexp, word string) string {
	if !form.MatchString(word) || strings.Contains(word, c.o.AccessKey) || strings.Contains(word, c.o.SecretKey) {
		return ""
	}
	return word
}

// labelLimit is what a receipt holds of a label, in bytes.
const labelLimit = 1024

// label returns an ETag or a version, empty if no receipt can hold it.
func (c *Client) label(word string) string {
	if len(word) > labelLimit {
		return ""
	}
	return c.harmless(labelForm, word)
}

var (
	errBroken     = errors.New("the connection broke, or the answer was not HTTP")
	errLongAnswer = errors.New("the answer is too long")
	errStall      = errors.New("nothing, or too little, came or went for too long")
	errNoTLS      = errors.New("the port does not speak TLS: an http endpoint?")
)

// reduce keeps of an error what cannot hold words of the server: types of our
// own and of the system. Texts of net/http quote what they could not parse.
func reduce(err error) error {
	var (
		op    *net.OpError
		dns   *net.DNSError
		errno syscall.Errno
		addr  *addressError
		proxy *proxyError
		tls   tls.RecordHeaderError
		down  *downgradeError
		walk  *walkError
		own   *openssl.RefusedError
	)
	switch {
	case errors.As(err, &down):
		return down
	case errors.As(err, &walk):
		return walk
	case errors.As(err, &own):
		return own
	case errors.As(err, &addr):
		return addr
	case errors.As(err, &proxy):
		return proxy
	case errors.As(err, &tls):
		return errNoTLS
	case errors.Is(err, errNotAsked):
		return errNotAsked
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.Is(err, errStall), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return errStall
	case errors.As(err, &dns):
		return dns
	case errors.As(err, &op):
		return op
	case errors.As(err, &errno):
		return errno
	case errors.Is(err, errLongAnswer):
		return errLongAnswer
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	}
	return errBroken
}

// isNetwork tells a broken connection from a body that arrived whole but wrong.
func isNetwork(err error) bool {
	var n net.Error
	return errors.As(err, &n) || errors.Is(err, errStall) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, context.Canceled) || errors.Is(err, syscall.ECONNRESET)
}

// retryAfter reads seconds or a date; at most a day.
func retryAfter(s string, now time.Time) time.Duration {
	d := time.Duration(0)
	if n, err := strconv.ParseUint(s, 10, 31); err == nil {
		d = time.Duration(n) * time.Second
	} else if t, err := http.ParseTime(s); err == nil {
		d = t.Sub(now)
	}
	return min(max(d, 0), 24*time.Hour)
}
