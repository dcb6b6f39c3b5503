package s3test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// refusal is an error of S3.
type refusal struct {
	status  int
	code    string
	message string
}

func (e *refusal) Error() string { return e.code + ": " + e.message }

var (
	accessDenied    = &refusal{403, "AccessDenied", "Access Denied"}
	unknownKey      = &refusal{403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."}
	wrongSignature  = &refusal{403, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided."}
	skewed          = &refusal{403, "RequestTimeTooSkewed", "The difference between the request time and the server's time is too large."}
	malformed       = &refusal{400, "AuthorizationHeaderMalformed", "The authorization header is malformed."}
	wrongRegion     = &refusal{400, "AuthorizationHeaderMalformed", "The authorization header is malformed; the region is wrong."}
	wrongPayload    = &refusal{400, "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed."}
	badDigest       = &refusal{400, "BadDigest", "The checksum you specified did not match what we received."}
	invalidDigest   = &refusal{400, "InvalidDigest", "The Content-MD5 you specified is not valid."}
	incomplete      = &refusal{400, "IncompleteBody", "The request body terminated unexpectedly."}
	noLength        = &refusal{411, "MissingContentLength", "You must provide the Content-Length HTTP header."}
	tooLarge        = &refusal{400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size"}
	longKey         = &refusal{400, "KeyTooLongError", "Your key is too long"}
	largeMeta       = &refusal{400, "MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size"}
	occupied        = &refusal{412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold"}
	noBucket        = &refusal{404, "NoSuchBucket", "The specified bucket does not exist"}
	noUpload        = &refusal{404, "NoSuchUpload", "The specified multipart upload does not exist."}
	noKey           = &refusal{404, "NoSuchKey", "The specified key does not exist."}
	bucketOwned     = &refusal{409, "BucketAlreadyOwnedByYou", "Your previous request to create the named bucket succeeded and you already own it."}
	parentIsObject  = &refusal{409, "ObjectParentIsFile", "An object lies where this key wants a folder."}
	invalidRange    = &refusal{416, "InvalidRange", "The requested range is not satisfiable"}
	notAllowed      = &refusal{405, "MethodNotAllowed", "The specified method is not allowed against this resource."}
	plainUnsigned   = invalid("UNSIGNED-PAYLOAD is taken over TLS only.")
	manyChecksums   = invalid("Expecting a single x-amz-checksum- header.")
	malformedChunks = invalid("The aws-chunked body is malformed.")
)

func invalid(message string) *refusal {
	return &refusal{400, "InvalidRequest", message}
}

func notImplemented(what string) *refusal {
	return &refusal{501, "NotImplemented", what + " is not implemented."}
}

// codes are the usual codes of a status, for scripted answers.
var codes = map[int]string{
	400: "InvalidRequest", 403: "AccessDenied", 404: "NoSuchKey", 409: "ConditionalRequestConflict", 412: "PreconditionFailed",
	413: "EntityTooLarge", 429: "TooManyRequests", 500: "InternalError", 501: "NotImplemented", 503: "SlowDown", 507: "XMinioStorageFull",
}

type errorXML struct {
	XMLName   xml.Name `xml:"Error"`
	Code      string
	Message   string
	Resource  string
	RequestID string `xml:"RequestId"`
	Extra     string `xml:",innerxml"`
}

// refuse answers with an error.
func (x *exchange) refuse(err error) {
	var e *refusal
	if !errors.As(err, &e) {
		e = &refusal{500, "InternalError", "We encountered an internal error. Please try again."}
	}
	x.answerError(e, "")
}

// answerError writes the XML of an error; extra is XML put in as it is.
func (x *exchange) answerError(e *refusal, extra string) {
	x.code = e.code
	x.xml(e.status, errorXML{Code: e.code, Message: e.message, Resource: x.r.URL.Path,
		RequestID: x.w.Header().Get("X-Amz-Request-Id"), Extra: extra})
}

// scripted answers as the fault says.
func (x *exchange) scripted(status int) {
	f := x.fault
	if f.Status != 0 {
		status = f.Status
	}
	if f.RetryAfter > 0 {
		x.w.Header().Set("Retry-After", strconv.Itoa(int(f.RetryAfter.Seconds())))
	}
	if f.Body != "" {
		x.w.Header().Set("Content-Type", "text/html")
		x.begin(status)
		io.WriteString(x.w, f.Body)
		return
	}
	x.answerError(&refusal{status, f.code(status), "scripted"}, "")
}

func (f *Fault) code(status int) string {
	if f.Code != "" {
		return f.Code
	}
	if code, ok := codes[status]; ok {
		return code
	}
	return "Scripted"
}

// flood answers with At bytes of well-formed beginnings.
func (x *exchange) flood() {
	status := x.fault.Status
	if status == 0 {
		status = http.StatusInternalServerError
	}
	x.w.Header().Set("Content-Type", "application/xml")
	x.begin(status)
	block := []byte(strings.Repeat("<Message>", 1024))
	for left := x.fault.At; left > 0; {
		n, err := x.w.Write(block[:min(left, int64(len(block)))])
		if err != nil {
			return
		}
		left -= int64(n)
	}
}

// echo refuses and repeats the request's secrets, as SignatureDoesNotMatch
// of real stores does.
func (x *exchange) echo() {
	e := *wrongSignature
	if x.fault.Status != 0 {
		e.status = x.fault.Status
	}
	if x.fault.Code != "" {
		e.code = x.fault.Code
	}
	var b strings.Builder
	e.message = "headers " + fmt.Sprint(x.seen.Header)
	for access, secret := range x.o.Keys {
		fmt.Fprintf(&b, "<AWSAccessKeyId>%s</AWSAccessKeyId><SecretKey>%s</SecretKey>", access, secret)
	}
	x.answerError(&e, b.String())
}
