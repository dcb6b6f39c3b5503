// Package s3test is a small S3 store in one process: for tests, which script
// its faults, and for the demo, which needs a real store and has nothing but
// Go.
//
// It is not lenient. What a request claims is checked before anything is
// stored:
//
//	request                          checked                                   refused with
//	Authorization (SigV4, header)    key pair, scope, every signed header      InvalidAccessKeyId, SignatureDoesNotMatch,
//	                                                                           AuthorizationHeaderMalformed, AccessDenied
//	x-amz-date                       within 15 min of the store's clock        RequestTimeTooSkewed
//	x-amz-content-sha256             SHA-256 of the body                       XAmzContentSHA256Mismatch
//	  STREAMING-AWS4-HMAC-SHA256-…   signature of each chunk, of a trailer     SignatureDoesNotMatch, IncompleteBody
//	  STREAMING-UNSIGNED-PAYLOAD-…   taken over TLS only, with a trailer       NotImplemented
//	  UNSIGNED-PAYLOAD               taken over TLS only                       InvalidRequest
//	x-amz-checksum-sha256, -crc32c   the body                                  BadDigest, InvalidRequest
//	Content-MD5                      the body                                  BadDigest, InvalidDigest
//	If-None-Match: *                 nothing under that key                    PreconditionFailed (412)
//
// Verbs: PUT, GET (one range), HEAD, DELETE of objects; ListObjectsV2, HEAD
// and PUT of buckets; list of buckets; bucket location; multipart uploads with
// SHA-256 of their parts or none; one bucket policy. Buckets are addressed by
// path. Everything else, such as signed links, is answered with NotImplemented.
//
// Objects live in memory, or in a folder as DIR/BUCKET/KEY with a JSON file
// of facts for each in DIR/.objects. In a folder an object cannot lie below
// another (a and a/b), and nothing is synced: it is a store for one machine
// and one afternoon.
//
// # Devices
//
// With Options.Devices a store over TLS wants a certificate of each client. It
// refuses in one of two ways, as proxies do: with an alert in the handshake, or
// with status 400 and a page after it.
//
// # Faults
//
// Script adds faults to a list. Each request takes the first fault that fits
// it and still has turns; see Effect for what they do. Requests tells what
// arrived.
//
// A conformance table runs against this store and against versitygw, so that
// the double cannot drift from a store that this project did not write.
// Package gateway starts that one.
package s3test
