// Package probe carries the frames of a bus from a satellite to the logger,
// over UDP or a serial line that nobody trusts.
//
//	probe                                                     logger
//	socketcan ─► sender ─► DTLS 1.2 ─► UDP | line ─► router ─► receiver ─► can.Source
//	              ring of 4,096 batches                        order, gaps, clock
//
// A Server is a can.Source: for the logger a probe is a bus like any other.
//
// # Trust
//
// Both sides have certificates of roots of their own. The logger permits the
// probes that it has a bus for, by the names in their certificates (DNS names,
// else the common name), unless a fingerprint is on the list of refused ones; a
// probe wants the logger's name. DTLS 1.2 with ECDHE-ECDSA, AES-128-GCM or
// AES-256-GCM, extended master secret, connection ids of 4 bytes. The probe is
// always the client. There is no resumption; new keys are a new handshake, made
// beside the association that goes on: each 24 hours or 2^23 records.
//
// # What reaches an association
//
// The DTLS library answers some records that anybody can send with a fatal alert,
// which ends the association at the other side. An established association
// therefore sees only records of epoch 1 and later, handshake records, and
// well-formed ChangeCipherSpec (record.go). A ClientHello never reaches it: with
// a random of its own it begins a pending association beside it, which takes its
// place when its handshake is done, so that a probe that has lost its power comes
// back and a forged hello harms nobody. At most 32 are pending; one
// more pushes the oldest out.
//
// # A serial line
//
// A datagram is COBS(datagram, CRC-16/CCITT-FALSE) and a zero byte; 8N1. The
// check value counts errors of the line; what is authentic the AEAD decides. With
// half duplex (RS485) the logger is master, and each frame ends, before the check
// value, with a kind:
//
//	0 data     a datagram
//	1 poll     credit (2 bytes, big-endian): the slave may write so many bytes
//	2 done     the slave gives the line back
//
// # Messages
//
// Little-endian; u is a varint of encoding/binary.
//
//	1 echo   probe   boot 8, nonce 8, clock 8, lowest 8, next 8, events 8, floor 8
//	2 ask    logger  boot 8, nonce 8, want 8, bitmap of at most 32 bytes: batches that have not come, from want on
//	3 batch  probe   seq u, index u, base u, items
//
//	item     flags 1, dt u, id 2 (11 bits) or 4, dlc 1, data    a frame; dt in µs behind the item before
//	         80h, dt u, reason 1, at least 1, count u, µs u     a loss
//	         81h, dt u, state 1, tx errors 1, rx errors 1       a state of link or controller
//
// flags: 1 29 bits, 2 remote, 4 FD, 8 BRS, 16 ESI, 32 sent, 64 error message. A
// batch waits at most 20 ms, or until a datagram is full.
//
// # Promises
//
// Every event of the probe comes once and in order, or is counted in a gap record
// of reason "probe link" at its place: exactly, or as a lower bound (which may be
// 0: unknown) where a probe lost its power. The probe keeps 4,096 batches until
// the logger has them; of more the oldest go. At most 256 are on their way. The
// logger says what it has within 100 ms (1 s on a slow line): one that is killed
// may, in its next life, record once more what it had not confirmed.
//
// # Time
//
// The logger sends nonces, the probe echoes them with its monotonic clock. An
// echo bounds that clock from both sides; the narrowest bounds count, widened by
// 100 ppm as they grow old. Stamps are translated by their middle, and half their
// width is the error that Status tells. A batch is late if its newest event may be
// older than the limit (500 ms over UDP, 2 s on a line) by the outer bound: so one
// that is held up is recognised also when it was held up from the first byte.
// Late frames are recorded all the same, counted, and told as a security event. A
// probe that answers nothing for three limits and a second is stale.
package probe
