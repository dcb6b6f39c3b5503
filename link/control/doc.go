// Package control carries remote control over a network: a connection that is
// secret, authentic and forward secret by nothing but a token that both ends
// know. What is said inside is no matter of this package: a Listener yields
// net.Conns to a server, Dial one to a client.
//
//	client                                        server
//	  u16 48, psk, e            ──────────►   a wrong one: silence, and the end
//	  u16 48, e, ee             ◄──────────
//	  u16 n, record             ──────────►   the first that decrypts: Accept returns
//	  u16 n, record             ◄─────────►   ...
//	  u16 17, goodbye           ◄─────────►   an end without it is a cut
//
// Lengths are big-endian and count what follows. The handshake is
// Noise_NNpsk0_25519_AESGCM_SHA256 with the prologue "canseal-control/1" and
// empty payloads; another name or version breaks it, and that is the whole
// rule against downgrades. There is no other way in, and none without a token.
//
// # Token and key
//
// A token has at least 24 characters; both ends check, and no setting lowers
// it. The key is scrypt(token, "canseal-control/1", N 2^15, r 8, p 1), 32
// bytes, made once at the start: whoever listens to a handshake can try tokens
// against it, and pays that for each. With the 256 random bits of a token of
// NewToken that is no attack.
//
// # Records
//
// A record is a Noise transport message of at most 16 KiB and 17 bytes. Its
// first byte says what it is: 0 data, 1 goodbye (with nothing behind it). Each
// direction has its own key and counts its records. After 2^20 of one
// direction, or an hour, a connection ends with a goodbye, and a client comes
// again: that makes new keys.
//
// # Whom the server hears
//
//	handshakes at a time      16; then the oldest of the source that has most goes
//	time for a handshake      5 s, with the first record
//	connections at a time     16
//	a source that failed      is not heard for 50 ms, then twice that, up to 1 s
//
// A first message that was recorded and is sent again gets a second one, and
// nothing else: what comes behind it cannot decrypt. Nothing of a peer reaches
// anybody before its first record decrypts.
package control
