package s3

import (
	"bytes"
	"context"
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"canseal/internal/mode"
)

const (
	handshakeTime  = 10 * time.Second // name, connection and TLS together
	continueTime   = time.Second      // a store that knows no Expect costs so much per large body
	headerLimit    = 64 << 10
	continueLength = 1 << 20 // bodies from here on ask before they are sent
)

// wire is the transport under minio-go: own connections, and a record of what
// was seen of each request.
type wire struct {
	base   *http.Transport
	dialer *dialer
	secure bool
	stall  time.Duration
	now    func() time.Time
	skew   atomic.Pointer[time.Duration]
}

func newWire(o Options, m mode.Row, endpoint *url.URL) (*wire, error) {
	d, err := newDialer(o, m, endpoint)
	if err != nil {
		return nil, err
	}
	w := &wire{dialer: d, secure: m.Scheme == "https", stall: o.Stall, now: o.Now}
	w.base = &http.Transport{
		DialContext: d.plain, DialTLSContext: d.secure,
		ResponseHeaderTimeout: o.Stall, ExpectContinueTimeout: continueTime, IdleConnTimeout: o.Stall / 2,
		WriteBufferSize:     64 << 10,
		MaxIdleConnsPerHost: o.Workers, DisableCompression: true, MaxResponseHeaderBytes: headerLimit,
		Protocols: new(http.Protocols),
	}
	w.base.Protocols.SetHTTP1(true)
	if d.proxy != nil && !w.secure {
		w.base.Proxy = http.ProxyURL(d.proxy)
	}
	return w, nil
}

// operation is what a request was for.
type operation uint8

const (
	opPut operation = iota
	opStat
	opGet
	opList
	opBegin
	opPart
	opParts
	opComplete
	opAbort
	opDelete
)

// inUpload tells whether a request is about a multipart upload that has begun.
func (o operation) inUpload() bool { return o >= opPart && o <= opAbort }

// exchange is what was seen of one request: by the dialer, on the connection,
// in the answer. It travels in the request's context, because minio-go keeps
// only the text of some errors.
type exchange struct {
	op    operation
	limit int64 // opGet: bytes of the object

	mu     sync.Mutex
	rounds int      // requests so far: more than one for a list
	dial   error    // of a connection made for this request
	conn   *watched // the connection that carried it
	body   error    // of reading what was to be sent
	cut    error    // of reading an answer that was no refusal
	status int
	answer answer
}

// answer is what is kept of a refusal.
type answer struct {
	XMLName   xml.Name `xml:"Error"`
	Code      string   `xml:"Code"`
	RequestID string   `xml:"RequestId"`
	Header    string   `xml:"Header"`       // AWS names the header that it does not support
	Argument  string   `xml:"ArgumentName"` // so do others
	Message   string   `xml:"Message"`      // for the terminal of s3 check alone

	retryAfter string
	html       bool
}

type exchangeKey struct{}

func (x *exchange) in(ctx context.Context) context.Context {
	return context.WithValue(ctx, exchangeKey{}, x)
}

func exchangeOf(ctx context.Context) *exchange {
	if x, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		return x
	}
	return new(exchange)
}

func (x *exchange) note(f func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	f()
}

func (x *exchange) dialFailed(err error) { x.note(func() { x.dial = err }) }
func (x *exchange) bodyFailed(err error) { x.note(func() { x.body = err }) }
func (x *exchange) answerCut(err error)  { x.note(func() { x.cut = err }) }

// begin forgets the page before; a list that goes on for ever ends here.
func (x *exchange) begin() (err error) {
	x.note(func() {
		x.dial, x.conn, x.cut, x.status, x.answer = nil, nil, nil, 0, answer{}
		if x.rounds++; x.rounds > listPages {
			x.cut, err = errLongAnswer, errLongAnswer
		}
	})
	return err
}

// broken tells that a connection was made, and broke before an answer came.
func (x *exchange) broken() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.conn != nil && x.status == 0 && x.body == nil
}

// RoundTrip sends one request and writes down what is seen.
func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	x := exchangeOf(req.Context())
	if err := x.begin(); err != nil {
		return nil, err
	}
	trace := &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) {
		c, _ := i.Conn.(*watched)
		x.note(func() { x.conn = c })
	}}
	ctx, end := context.WithCancel(httptrace.WithClientTrace(req.Context(), trace))
	req = req.WithContext(ctx)
	if req.ContentLength >= continueLength {
		// A store that will refuse says so before the body is on its way. The
		// header is no part of the signature.
		req.Header.Set("Expect", "100-continue")
	}
	if req.Body != nil {
		b := &serial{body: req.Body}
		req.Body = b
		defer b.Close()
	}
	resp, err := w.base.RoundTrip(req)
	if err != nil {
		end()
		return nil, err
	}
	resp.Header.Del("Set-Cookie") // minio-go would send it back
	w.measure(resp)
	w.read(x, resp, end)
	return resp, nil
}

// serial lets a body be closed only between two reads, and ends it there. The
// transport goes on reading in its own goroutine after an early answer, while
// http.Client closes the body of a redirected request; minio-go's signing
// reader dereferences nil when both meet, so any server could end the process
// with one early answer. RoundTrip closes it before it returns.
type serial struct {
	mu     sync.Mutex
	body   io.ReadCloser
	closed bool
}

func (s *serial) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, io.EOF
	}
	return s.body.Read(p)
}

func (s *serial) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	return s.body.Close()
}

// measure takes the difference of the clocks from a server that has proved
// who it is.
func (w *wire) measure(resp *http.Response) {
	if !w.secure {
		return
	}
	if t, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		skew := t.Sub(w.now()).Truncate(time.Second)
		w.skew.Store(&skew)
	}
}

// read keeps what counts of an answer, and bounds the rest. A refusal's body
// is read here, as far as it comes, and never by minio-go. Where the head says
// all, the body is not waited for: minio-go would read it to its end.
func (w *wire) read(x *exchange, resp *http.Response, end func()) {
	a := answer{retryAfter: resp.Header.Get("Retry-After")}
	body := &bounded{ReadCloser: resp.Body, left: refusalLimit + 1, stall: w.stall, patience: w.stall, end: end, cut: func(error) {}}
	x.note(func() { x.status = resp.StatusCode })
	carries := resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusPartialContent
	switch {
	case carries && x.op == opList:
		body.left, body.cut = listLimit+1, x.answerCut
		resp.Body = body
		return
	case carries && x.op == opGet:
		body.left, body.cut = x.limit+1, x.answerCut
		resp.Body = body
		return
	case carries && (x.op == opBegin || x.op == opParts || x.op == opComplete):
		body.left, body.cut = partsLimit+1, x.answerCut
		resp.Body = body
		if x.op == opComplete {
			w.completed(x, resp)
		}
		return
	case resp.StatusCode >= 300:
		text, _ := io.ReadAll(body)
		a.parse(text, resp.Header)
		resp.Header.Del("x-minio-error-code")
		resp.Header.Del("x-minio-error-desc")
	}
	body.Close()
	resp.Body = http.NoBody
	x.note(func() { x.answer = a })
}

// completed reads the answer to a completion: a store that has begun it with
// 200, to keep the connection alive, can only say there that it has failed.
func (w *wire) completed(x *exchange, resp *http.Response) {
	text, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(text))
	if err != nil {
		return // the cut is noted
	}
	var a answer
	if a.parse(text, resp.Header); a.XMLName.Local == "Error" {
		x.note(func() { x.answer = a })
	}
}

func (a *answer) parse(text []byte, h http.Header) {
	keep := *a
	if err := xml.Unmarshal(text, a); err != nil {
		*a = keep
		a.html = strings.HasPrefix(h.Get("Content-Type"), "text/html")
		a.Message = string(text[:min(len(text), 1024)])
	}
	if a.RequestID == "" {
		a.RequestID = h.Get("x-amz-request-id")
	}
}
