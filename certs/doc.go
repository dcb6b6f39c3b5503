// Package certs decides which servers are trusted, and says who a device is: it
// reads the trust bundle certs_server.p7b, judges a server's chain by it, joins a
// device's certificate with its key, and holds a certificate authority for a
// small fleet.
//
// # The bundle
//
// LoadBundle reads at most 64 KiB, in this order:
//
//	byte order mark and white space are stripped; nothing left: cleared
//	"-----BEGIN " at a line's start   every PEM block, in order
//	first byte 0x30                   x509 first, then PKCS#7
//	anything else                     base64 is decoded, once, and read as one of the above
//
// A bundle never holds a key: "PRIVATE KEY-----" anywhere, PKCS#8 and the
// older forms in DER, are refused loudly and never shown.
//
//	taken                                             refused (Reason)
//	p7b, DER or PEM labels PKCS7, CMS                 other kinds of PKCS#7 (not_signed_data)
//	one certificate, PEM or DER                       nothing but requests, lists, stores (form, no_certificate)
//	certificates one after another, CRLF              damaged or endless PEM block (truncated)
//	bare base64 of DER                                bytes behind the structure (trailing)
//	text and other labels between, with a note        nested deeper than 16, over 4096 elements (too_deep)
//	BER with indefinite lengths                       an empty indefinite element (form)
//	revocation lists, in PKCS#7 or as X509 CRL        more than 64 KiB (too_large)
//	an empty file: Cleared                            SignedData without certificates (no_certificate)
//
// The library's BER parser recurses without limit, so a few megabytes of
// 30 80 end the process; recover does not help. Therefore guard walks the
// structure first, without recursion, and the outer element must end where
// the input ends. The element budget is shared by all blocks of a file.
//
// Rules on content: an exact duplicate is dropped; at most ten certificates;
// no two of one issuer (unless told to warn); expired, not yet valid, DSA and
// small RSA keys are kept and flagged; a bundle without any usable
// certificate is an error (no_usable) that still shows what was read.
//
// Revocation lists must be full lists of version 2 (with `openssl ca -gencrl`
// that takes crl_extensions), signed by a certificate of the bundle.
// What they name fails at any depth of a server's chain. A list past its date
// goes on denying. They judge servers, not devices.
//
// # Trust
//
// ClientTLS offers profile modern (below) and trusts the bundle alone: a root, an intermediate or the
// server's own certificate may be the anchor, and every certificate of the
// chain must be in date by the caller's clock. Besides, in the whole verified
// chain: RSA keys of at least MinRSABits, nothing on a revocation list, and,
// where pins are set, one pinned key. The check precedes the first byte of
// HTTP, so neither a request nor a signature reaches a server that fails.
//
// Explain names what was wrong; what a certificate says stands in that text
// escaped, in quotes, and cut at 256 characters. Of its faults only expired
// and not_yet_valid are questions of time (TrustError.Dates): with a clock
// that nobody has synchronised they mean "wait", with a good clock they mean
// "no".
//
// RSA keys below 1024 bits are refused by the standard library and by every
// setting here; SHA-1 and MD5 signatures are refused below an anchor.
//
// A server's certificate without a SAN counts for its common name where that is
// allowed (AllowCN), and the very certificate is in the bundle and in date. For
// this one rule the whole check of the chain is done here and not by crypto/tls.
//
// VerifyServer applies the same rules to a chain that another TLS has met.
//
// # Cipher groups
//
// Attempts lists the hellos of a profile, each for a connection of its own; Apply
// makes one of them out of what ClientTLS returns, and changes nothing else.
//
//	profile   attempts                                                     versions
//	modern    1  ECDHE with AES-GCM or ChaCha20                            1.2, 1.3
//	compat    1  modern   2  modern and the six below   3  the three DHE   1.2, 1.3; 3: 1.2
//	canedge   group 1, 2, 3; after each, where asked for, its DHE suites   1.2
//
//	group  suites of TLS 1.2, all RSA for the certificate; the later groups have the earlier too
//	1      AES128-SHA         DHE-RSA-AES128-SHA         ECDHE-RSA-AES128-SHA
//	2      AES128-SHA256      DHE-RSA-AES128-SHA256      ECDHE-RSA-AES128-SHA256
//	3      AES128-GCM-SHA256  DHE-RSA-AES128-GCM-SHA256  ECDHE-RSA-AES128-GCM-SHA256
//
// Six of the nine are crypto/tls's. DHE needs another TLS (package
// internal/openssl), so these attempts are there only where they are asked for.
// The first column is not forward secret (ForwardSecret). When to go from one
// attempt to the next is package s3's matter.
//
// # A device's identity
//
//	device.crt            card           leaf first, issuers behind it; no key
//	device.key            state folder   PKCS#8 in PEM, mode 0600, made there
//	device.key.next       state folder   of a request that is under way
//	device.key.previous   state folder   of the certificate before
//
// OpenIdentity joins the certificate with whichever key fits, so that at no cut
// of a renewal (SettleKey) a device is without one. The certificate must be a
// client's (clientAuth, digitalSignature, no CA), of a key that servers take, in
// date with its issuers, and each certificate behind it must have signed the one
// before. An IdentityError has reason, certificate and remedy; its Dates are a
// question of the clock, as with servers. Everybody who signs uses
// Identity.Signer, a crypto.Signer.
//
// Request asks for a certificate; SignDetached lets the present one speak for the
// request, Signer.Verify finds that out.
//
// # An authority
//
// Authority issues roots, servers, devices and both, and signs revocation lists
// that go on from one to the next. It takes up keys and certificates of OpenSSL.
package certs
