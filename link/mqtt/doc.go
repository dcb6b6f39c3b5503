// Package mqtt publishes to an MQTT 5 broker, and does nothing else: it has no
// way to subscribe, and a connection on which a broker sends anything that a
// publisher needs not hear is closed.
//
//	frames, verdicts ──► Feed ──► ring ──► 8 workers ──► guard ──► TLS ──► broker
//	status           ──►                ◄── acknowledged
//
// # Promises
//
// Offer and Feed.Take never wait: what records is not slowed down by a broker.
// The ring is bounded in bytes; when it is full the oldest message goes, and the
// count of what went is published with the status. A message leaves the ring
// only when the broker has acknowledged it (QoS 1), so one may come twice: its
// "seq" tells. A broker that refuses a message for good (not authorised, topic
// or payload not wanted) costs that message, and is reported.
//
// # The guard
//
// It reads the fixed header of each packet before the library does, and closes
// the connection on all but these:
//
//	CONNACK      first, and once
//	PUBACK       then
//	PINGRESP     then
//	DISCONNECT   then
//
// with flags 0 and a length of at most four bytes and 4,096. So no broker makes
// this program keep memory, answer packets or see a message. Texts of a broker
// are shown quoted and cut.
//
// # A connection
//
// Clean start, session expiry 0, receive maximum 1, no topic aliases, at most
// 4,096 bytes inbound. A broker that permits no QoS 1, or packets of less than
// 1 KiB, is of no use: that is reported, and tried again. References to other
// servers are ignored. Between attempts 1 s pass, then twice as much up to
// 60 s, with a share by chance.
//
// # Topics
//
// Below PREFIX/DEVICE; docs/mqtt.md has the payloads.
//
//	status           JSON, retained; the will says {"v":1,"online":false}
//	BUS/frames       batches of at most 100 ms, 64 KiB, or what the broker takes
//	BUS/verdicts     each second in which there were any
//	BUS/id/HEXID     one identifier, rate-limited
package mqtt
