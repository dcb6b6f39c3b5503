// Package s3 is the uploader's store: a bucket behind minio-go, one of three
// security modes, and the table that says what an error means.
//
// # Modes
//
//	mode     scheme   body on the wire                                    proved
//	low      http     aws-chunked, each 64 KiB chunk signed, checksum     plain
//	medium   https    inside TLS, UNSIGNED-PAYLOAD, checksum              tls
//	high     the same, and the device shows who it is                     tls
//
// In all, every request is signed (SigV4), and the object's SHA-256 travels
// as a ready-made header x-amz-checksum-sha256 that the store compares, and so
// does that of each part of a multipart upload. It is
// never a trailer, which some stores refuse, and never UNSIGNED-PAYLOAD over
// http, where bytes could be changed on the way. A scheme that contradicts
// the mode is an error of New; no fallback leads from one mode to another.
//
// In mode low nothing the other side says is proved: not its answers, not a
// download, not "stored". In mode medium no byte of HTTP, and no signature,
// leaves before the server has proved who it is (package certs).
//
// In mode high the device's certificate goes out after that, when the server
// asks for it; a server that does not ask gets nothing. Options.Identity is
// called for each such handshake. A server refuses a device in many ways:
//
//	seen                                                      class
//	alert 42-46, 48, 116 on the first read, TLS 1.3           identity: the session protects it
//	400 or 403 as a page of HTML, or 495, 496, after asking   identity: nginx, and rules of haproxy
//	alert 40, 42-46, 48, 116 in a TLS 1.2 handshake           identity_suspected: anybody could say it
//	the same before any certificate                           network: anybody could say it
//
// RefusedError tells which, of which certificate, and what to look at.
//
// # Cipher groups
//
// A connection is a walk over the attempts of Options.Profile (package certs), 10 s
// each, 30 s together, one walk at a time.
//
//	seen                                                       then
//	alert 40, 71 as the server's first word                    the next attempt; after the last: config
//	cut in its place, with ResetMeansNoSuite                   the next attempt; after the last: network
//	alert 70                                                   config: no version in common
//	anything else, and anything after the server's hello       the class of the table; no further attempt
//
// Anybody on the path can say 40. So a step changes nothing but the suites, and:
//
//	an endpoint that has been forward secret     a connection that is not is closed before any request:
//	                                             config, until bundle, profile or the memory change
//	an attempt of a higher rank than the last    only after 3 refused walks, the first an hour ago
//	                                             or more, and with an event
//
// Memory holds the last good attempt of each endpoint, name, bundle and profile,
// and begins with it for 24 h, or until the identity changes; then with the
// profile's first again (profile canedge stays where it is forward secret).
//
// The three DHE suites go through the program openssl (Options.LegacyDHE): the
// same rules, applied by us to what the server says before openssl gets it. What
// differs: RSA keys and groups of DH below 2048 bits are refused whatever
// MinRSABits says; a certificate that has a common name alone is refused for an IP
// address; a key that cannot be handed over, as in a chip, cannot be used; alerts
// behind the handshake are not seen.
//
// # Requests
//
// One attempt each: repetition, order and patience belong to package
// uploader. An object is one PUT of known size, with If-None-Match: * when
// its key must be free; bodies from 1 MiB on ask first (Expect:
// 100-continue), so that a taken key costs no volume.
//
// minio-go has its own ideas about retries, regions, redirects, proxies,
// credentials and cookies; all are turned off. Name lookup, connection and
// handshake have 10 s together; a connection on which no byte moves either
// way for Options.Stall ends. Link-local, multicast, unspecified and metadata
// addresses are refused after the name is resolved.
//
// Options.Bandwidth is shared by all connections and counts what is written to
// the wire, in pieces of a tenth of a second, so that a slow link never looks
// like a dead one.
//
// # Answers
//
// The head of an answer has one Stall from the end of the request, and 64 KiB.
// What follows is bounded in bytes and, by a pace, in time: 64 KiB, or the
// end, within each Stall spent waiting for it.
//
//	answer               bytes               then
//	2xx to PUT and HEAD  none are read       a connection with a body on it is closed
//	refusal, redirect    64 KiB, one Stall   judged by its status, and by what has come of its text
//	page of a list       4 MiB               error; a list has at most 1000 pages
//	about an upload      1 MiB               error; 200 with an Error in it is a refusal
//	object               the caller's limit  error
//
// An ETag or version id that no receipt can hold (over 1024 bytes, not
// printable ASCII) is left out.
//
// net/http reports an answer that nobody asked for to the standard logger,
// with the server's words in quotes: programs turn that logger off.
//
// # Errors
//
// Each is an *uploader.Error. Errors are judged where they still have types:
// in the dialer, on the connection (TLS 1.3 tells a refused device only with
// the first read), and on the answer before minio-go reads it. The table in
// class.go is the whole judgement; the first line that fits counts.
//
// Of a server's answer only status, code and request id are kept, and those
// not if they hold our key: a refusal may echo the string to sign, the
// Authorization header, a token. Errors of net/http that quote the server are
// reduced to a fixed text. The message itself leaves this package only by
// Report.Message, escaped, for the terminal of `canseal s3 check`.
package s3
