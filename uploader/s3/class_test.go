package s3

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"canseal/certs"
	"canseal/internal/openssl"
	"canseal/uploader"
)

// answered makes the sight of an answer.
func answered(op operation, status int, code string) seen {
	return seen{op: op, secure: true, synced: true, status: status, code: code}
}

func failed(err error) seen { return seen{secure: true, synced: true, err: err} }

func cut(err error) seen { return seen{secure: true, synced: true, cut: true, err: err} }

func alerted(n uint8, accepted, asked, protected bool) seen {
	return seen{secure: true, synced: true, alert: n, alerted: true, accepted: accepted, asked: asked, protected: protected, err: errBroken}
}

func untrusted(f certs.Fault, synced bool) seen {
	return seen{secure: true, synced: synced, trust: &certs.TrustError{Fault: f}, err: errBroken}
}

// One row for each line of the table that says what a sight means.
func TestWhatWasSeenHasAClass(t *testing.T) {
	page := func(secure bool) seen { return seen{secure: secure, synced: true, status: 400, html: true} }
	asked := func(s seen) seen { s.asked = true; return s }
	status := func(n int) seen { return seen{secure: true, asked: true, synced: true, status: n, html: true} }
	own := func(r certs.IdentityReason, synced bool) seen {
		return seen{secure: true, accepted: true, asked: true, synced: synced, own: &certs.IdentityError{Reason: r}, err: errBroken}
	}
	header := func(status int, name string) seen {
		s := answered(opPut, status, "NotImplemented")
		s.header = name
		return s
	}
	for name, row := range map[string]struct {
		seen seen
		want uploader.Class
	}{
		"name not found":                           {failed(&net.DNSError{}), uploader.Network},
		"connection refused":                       {failed(&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}), uploader.Network},
		"reset":                                    {failed(&net.OpError{Op: "read", Err: syscall.ECONNRESET}), uploader.Network},
		"EOF":                                      {failed(io.EOF), uploader.Network},
		"stall":                                    {failed(os.ErrDeadlineExceeded), uploader.Network},
		"a page that drips":                        {cut(errStall), uploader.Network},
		"a page that is cut":                       {cut(io.ErrUnexpectedEOF), uploader.Network},
		"a page without end":                       {cut(errLongAnswer), uploader.Unknown},
		"proxy refuses":                            {failed(&proxyError{403}), uploader.Network},
		"forbidden address":                        {failed(&addressError{netip.MustParseAddr("169.254.169.254")}), uploader.Config},
		"plain HTTP on the port":                   {failed(tls.RecordHeaderError{Msg: "x"}), uploader.Config},
		"no file":                                  {seen{body: true, err: errBroken}, uploader.Transfer},
		"no suite, 40":                             {alerted(40, false, false, false), uploader.Config},
		"no suite, 71":                             {alerted(71, false, false, false), uploader.Config},
		"40 after the server's hello":              {seen{secure: true, synced: true, alert: 40, alerted: true, hello: true, err: errBroken}, uploader.Network},
		"no version, 70":                           {alerted(70, false, false, false), uploader.Config},
		"42 that nobody signed":                    {alerted(42, false, false, false), uploader.Network},
		"43 that nobody signed":                    {alerted(43, false, false, false), uploader.Network},
		"44 that nobody signed":                    {alerted(44, false, false, false), uploader.Network},
		"45 that nobody signed":                    {alerted(45, false, false, false), uploader.Network},
		"46 that nobody signed":                    {alerted(46, false, false, false), uploader.Network},
		"48 that nobody signed":                    {alerted(48, false, false, false), uploader.Network},
		"116 that nobody signed":                   {alerted(116, false, false, false), uploader.Network},
		"40 after the server's certificate alone":  {alerted(40, true, false, false), uploader.Network},
		"80, an inner fault":                       {alerted(80, false, false, false), uploader.Network},
		"40 in TLS 1.2 after both certificates":    {alerted(40, true, true, false), uploader.IdentitySuspected},
		"42 in TLS 1.2 after both certificates":    {alerted(42, true, true, false), uploader.IdentitySuspected},
		"48 in TLS 1.2 after both certificates":    {alerted(48, true, true, false), uploader.IdentitySuspected},
		"116 in TLS 1.2 after both certificates":   {alerted(116, true, true, false), uploader.IdentitySuspected},
		"44 inside TLS 1.3":                        {alerted(44, false, true, true), uploader.Identity},
		"45 inside TLS 1.3":                        {alerted(45, false, true, true), uploader.Identity},
		"48 inside TLS 1.3":                        {alerted(48, false, true, true), uploader.Identity},
		"116 inside TLS 1.3":                       {alerted(116, false, true, true), uploader.Identity},
		"48 inside TLS 1.3 to whom nobody asked":   {alerted(48, false, false, true), uploader.Network},
		"unknown authority":                        {untrusted(certs.FaultUnknownAuthority, true), uploader.Trust},
		"unknown authority, clock unknown":         {untrusted(certs.FaultUnknownAuthority, false), uploader.Trust},
		"wrong name":                               {untrusted(certs.FaultName, true), uploader.Trust},
		"pin":                                      {untrusted(certs.FaultPin, true), uploader.Trust},
		"revoked":                                  {untrusted(certs.FaultRevoked, true), uploader.Trust},
		"expired":                                  {untrusted(certs.FaultExpired, true), uploader.Trust},
		"not yet valid":                            {untrusted(certs.FaultNotYetValid, true), uploader.Trust},
		"expired, clock unknown":                   {untrusted(certs.FaultExpired, false), uploader.Clock},
		"not yet valid, clock unknown":             {untrusted(certs.FaultNotYetValid, false), uploader.Clock},
		"500":                                      {answered(opPut, 500, "InternalError"), uploader.Busy},
		"502":                                      {answered(opPut, 502, ""), uploader.Busy},
		"503 SlowDown":                             {answered(opPut, 503, "SlowDown"), uploader.Busy},
		"503 without a code, on a look":            {answered(opStat, 503, ""), uploader.Busy},
		"504":                                      {answered(opPut, 504, ""), uploader.Busy},
		"429":                                      {answered(opPut, 429, ""), uploader.Busy},
		"409":                                      {answered(opPut, 409, "ConditionalRequestConflict"), uploader.Busy},
		"408":                                      {answered(opPut, 408, ""), uploader.Network},
		"400 RequestTimeout":                       {answered(opPut, 400, "RequestTimeout"), uploader.Network},
		"BadDigest":                                {answered(opPut, 400, "BadDigest"), uploader.Transfer},
		"IncompleteBody":                           {answered(opPut, 400, "IncompleteBody"), uploader.Transfer},
		"XAmzContentSHA256Mismatch":                {answered(opPut, 400, "XAmzContentSHA256Mismatch"), uploader.Transfer},
		"NoSuchUpload":                             {answered(opPut, 404, "NoSuchUpload"), uploader.Transfer},
		"NoSuchUpload for a part":                  {answered(opPart, 404, "NoSuchUpload"), uploader.NoneThere},
		"404 for an upload":                        {answered(opComplete, 404, ""), uploader.NoneThere},
		"NoSuchBucket for a part":                  {answered(opPart, 404, "NoSuchBucket"), uploader.Config},
		"InvalidPart":                              {answered(opComplete, 400, "InvalidPart"), uploader.Transfer},
		"403 on a list of parts":                   {answered(opParts, 403, "AccessDenied"), uploader.CannotTell},
		"a wrong key pair on a list of parts":      {answered(opParts, 403, "InvalidAccessKeyId"), uploader.Credentials},
		"400 naming the algorithm of parts":        {header(400, "x-amz-checksum-algorithm"), uploader.Quirk},
		"200 with an error in it":                  {answered(opComplete, 200, "InternalError"), uploader.Busy},
		"412 before a look":                        {answered(opPut, 412, "PreconditionFailed"), uploader.CannotCompare},
		"403 on a look at our own key":             {answered(opStat, 403, ""), uploader.CannotTell},
		"EntityTooLarge":                           {answered(opPut, 400, "EntityTooLarge"), uploader.TooLarge},
		"413":                                      {answered(opPut, 413, ""), uploader.TooLarge},
		"501":                                      {answered(opPut, 501, "NotImplemented"), uploader.Quirk},
		"400 naming If-None-Match":                 {header(400, "If-None-Match"), uploader.Quirk},
		"400 naming the checksum":                  {header(400, "x-amz-checksum-sha256"), uploader.Quirk},
		"400 naming another header":                {header(400, "x-amz-acl"), uploader.Unknown},
		"RequestTimeTooSkewed":                     {answered(opPut, 403, "RequestTimeTooSkewed"), uploader.Clock},
		"401":                                      {answered(opPut, 401, ""), uploader.Credentials},
		"AccessDenied on a write":                  {answered(opPut, 403, "AccessDenied"), uploader.Credentials},
		"AccessDenied on our own readable key":     {answered(opGet, 403, "AccessDenied"), uploader.Credentials},
		"InvalidAccessKeyId":                       {answered(opPut, 403, "InvalidAccessKeyId"), uploader.Credentials},
		"SignatureDoesNotMatch":                    {answered(opPut, 403, "SignatureDoesNotMatch"), uploader.Credentials},
		"404 on a look":                            {answered(opStat, 404, ""), uploader.NoneThere},
		"404 on a read":                            {answered(opGet, 404, "NoSuchKey"), uploader.NoneThere},
		"404 without a bucket":                     {answered(opGet, 404, "NoSuchBucket"), uploader.Config},
		"NoSuchBucket":                             {answered(opPut, 404, "NoSuchBucket"), uploader.Config},
		"301":                                      {answered(opPut, 301, "PermanentRedirect"), uploader.Config},
		"307 without a code":                       {answered(opPut, 307, ""), uploader.Config},
		"AuthorizationHeaderMalformed":             {answered(opPut, 400, "AuthorizationHeaderMalformed"), uploader.Config},
		"405":                                      {answered(opPut, 405, ""), uploader.Config},
		"nginx's page about certificates":          {asked(page(true)), uploader.Identity},
		"a page by a server that did not ask":      {page(true), uploader.Unknown},
		"403 as a page by a server that asked":     {status(403), uploader.Identity},
		"495":                                      {status(495), uploader.Identity},
		"496":                                      {status(496), uploader.Identity},
		"502 as a page by a server that asked":     {status(502), uploader.Busy},
		"403 of S3 by a server that asked":         {asked(answered(opPut, 403, "AccessDenied")), uploader.Credentials},
		"no certificate of our own":                {own(certs.IdentityNoCertificate, true), uploader.Identity},
		"no key, clock unknown":                    {own(certs.IdentityNoKey, false), uploader.Identity},
		"our own out of date":                      {own(certs.IdentityExpired, true), uploader.Identity},
		"our own out of date, clock unknown":       {own(certs.IdentityExpired, false), uploader.Clock},
		"our own too new, clock unknown":           {own(certs.IdentityNotYetValid, false), uploader.Clock},
		"nobody asked, in mode high":               {failed(&tlsError{err: errNotAsked}), uploader.Config},
		"forward secrecy given up":                 {failed(&downgradeError{}), uploader.Config},
		"no suite after the walk":                  {alerted(40, false, false, false), uploader.Config},
		"openssl ends by itself":                   {failed(&openssl.RefusedError{Alert: 40}), uploader.Network},
		"nginx's page about http on an https port": {page(false), uploader.Config},
		"quota":                             {answered(opPut, 403, "QuotaExceeded"), uploader.StoreFull},
		"507":                               {answered(opPut, 507, ""), uploader.StoreFull},
		"418":                               {answered(opPut, 418, ""), uploader.Unknown},
		"404 on a write, without a code":    {answered(opPut, 404, ""), uploader.Unknown},
		"400 with a code that nobody knows": {answered(opPut, 400, "Whatever"), uploader.Unknown},
		"200 that minio-go could not make sense of": {answered(opPut, 200, ""), uploader.Unknown},
		"a list refused":                        {answered(opList, 403, "AccessDenied"), uploader.Credentials},
		"a code that decides before the status": {answered(opPut, 403, "SlowDown"), uploader.Busy},
	} {
		if got := row.seen.classOf(); got != row.want {
			t.Errorf("%s: class %s, want %s", name, got, row.want)
		}
	}
}

func TestEveryLineOfTheTableIsReached(t *testing.T) {
	sights := []seen{
		{body: true}, failed(&addressError{}), failed(&proxyError{}), untrusted(certs.FaultExpired, false), untrusted(certs.FaultName, true),
		{own: &certs.IdentityError{Reason: certs.IdentityExpired}}, {own: errBroken}, failed(errNotAsked), failed(&downgradeError{}),
		failed(tls.RecordHeaderError{}), alerted(116, false, true, true), alerted(70, false, false, false), alerted(40, false, false, false),
		alerted(40, true, true, false), cut(errLongAnswer), cut(errStall), failed(io.EOF), {status: 400, html: true, secure: true, asked: true}, answered(opStat, 404, ""), answered(opPart, 404, ""), answered(opParts, 403, ""), answered(opPut, 501, ""), answered(opPut, 400, "BadDigest"),
		answered(opStat, 403, ""), answered(opPut, 403, ""), answered(opPut, 412, ""), answered(opPut, 413, ""), answered(opPut, 507, ""),
		answered(opPut, 409, ""), answered(opPut, 500, ""), answered(opPut, 408, ""), answered(opPut, 302, ""), answered(opPut, 405, ""),
		{status: 400, html: true},
	}
	for i, r := range table {
		if first := firstFit(&sights[i]); first != i {
			t.Errorf("line %d (%s) is not reached by its sight: line %d is", i, r.seen, first)
		}
	}
}

func firstFit(s *seen) int {
	for i, r := range table {
		if r.match(s) {
			return i
		}
	}
	return -1
}

func TestRetryAfterTakesSecondsAndDates(t *testing.T) {
	now := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "120": 2 * time.Minute, "-5": 0, "soon": 0, "99999999": 24 * time.Hour,
		"Fri, 20 Nov 2026 10:00:30 GMT": 30 * time.Second, "Fri, 20 Nov 2026 09:00:00 GMT": 0,
	} {
		if got := retryAfter(text, now); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestAddressesThatNoStoreHas(t *testing.T) {
	for address, want := range map[string]bool{
		"169.254.169.254:80": true, "169.254.0.1:443": true, "[fe80::1%eth0]:443": true, "[fd00:ec2::254]:80": true, "0.0.0.0:80": true, "[::]:80": true,
		"224.0.0.1:80": true, "[ff02::1]:80": true, "[::ffff:169.254.169.254]:80": true,
		"127.0.0.1:9000": false, "[::1]:9000": false, "10.0.0.7:9000": false, "192.168.1.2:443": false, "[fd00::7]:443": false, "93.184.216.34:443": false,
	} {
		var a *addressError
		if got := errors.As(control("tcp", address, nil), &a); got != want {
			t.Errorf("%s: refused %v, want %v", address, got, want)
		}
	}
}

// The number of an alert is a private detail of the standard library: this
// must fail loudly when a release of Go hides it.
func TestTheNumberOfAnAlertCanBeRead(t *testing.T) {
	for _, want := range []uint8{40, 42, 43, 44, 45, 46, 48, 70, 71, 80, 112, 116, 255} {
		client, server := net.Pipe()
		go func() {
			server.Read(make([]byte, 4096))
			server.Write([]byte{21, 3, 3, 0, 2, 2, want})
			server.Close()
		}()
		err := tls.Client(client, &tls.Config{ServerName: "h"}).Handshake()
		if got, ok := remoteAlert(err); !ok || got != want {
			t.Errorf("alert %d: read %d, %v from %v", want, got, ok, err)
		}
	}
	for _, err := range []error{nil, io.EOF, &net.OpError{Op: "read", Err: syscall.ECONNRESET}, &net.OpError{Op: "remote error", Err: io.EOF}} {
		if n, ok := remoteAlert(err); ok {
			t.Errorf("%v is alert %d", err, n)
		}
	}
}
