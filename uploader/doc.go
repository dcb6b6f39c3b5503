// Package uploader brings sealed segments from the card into a bucket, each
// once, and believes that one has arrived only when the store has said so in
// figures.
//
// # The queue is the card
//
// A segment that is sealed (its name is SPLIT.MF4 and seal.log has its line)
// and has no receipt (SPLIT.MF4.sent) is in the queue. Nothing else is
// remembered over a restart, but for uploads in parts (SPLIT.MF4.upload).
//
// device.json goes first, then pinned segments, then by Options.Order: oldest,
// newest, or mixed (newest first, every fourth place for the oldest); last
// those whose receipt is only plain, once the mode is a verified one: they are
// looked at, and sent where they are not there.
//
// Options.Workers segments are on their way at once. From an error of the
// endpoint on until something has arrived, it is one alone.
//
// # A segment's way
//
//	                   200, figures equal                ┌──────────┐
//	queued ── Create ──────────────────────────────────► │ receipt  │
//	   ▲        │ 412, what is there equals ours ──────► │ (.sent)  │
//	   │        │ network error ── Stat: equal ────────► └──────────┘
//	   │        │                    │ absent, or not told
//	   ├────────┼── pause ◄──────────┘
//	   │        │ bytes did not arrive as sent: file read again, 3 times more
//	   │        ▼
//	   │     parked: key_conflict, cannot_compare, too_large, transfer, local_corruption
//	   └──────── Retry (canseal segments retry), restart, another card; in mode low after an hour
//
// Object key and bytes are fixed when a segment is sealed, so sending twice
// makes no second object. The key is created, never overwritten. Equal means
// size and the store's SHA-256. The SHA-256 of the seal record goes with the
// bytes, and a store that gets others refuses them; then the file is read
// again, and one that differs in two reads is parked as local_corruption, after
// its seal line was read anew: the card may have been exchanged. A file that the card does not give (class
// unreadable) is tried again for ever. Parked segments stay on the card and in
// device.json; this package deletes nothing.
//
// # Segments in parts
//
// A segment above 16 MiB (two parts) is a multipart upload of parts of 8 MiB.
// First its file is read once and compared, which gives the hash of each part;
// then the key is looked at, which may spare the volume. Each part that the
// store has confirmed is written into the journal and synced before the next
// begins.
//
//	journal ── none, or of another object ── abort, Begin ─┐
//	   │                                                   ▼
//	   └── Parts: what the store has ──► PutPart, the missing ones ──► Complete
//	         │ the store knows it no more: Begin                        │
//	         ▼                                 412, or no answer: as for Create
//
// After a cut, a kill or a new boot at most one part is sent again. The store's
// composite of the parts' hashes is the proof, as the SHA-256 is for a whole
// object. Uploads of segments that have arrived another way, or are gone from
// the card, are aborted.
//
// # Quirks
//
// A store without If-None-Match is looked at before each put. One that compares
// no SHA-256 of parts gets their MD5, and the receipt says so. Both are found
// out, unless Options.Quirks tells.
//
// # The endpoint
//
// An error has a Class; the table in action.go says what follows. What
// concerns one segment parks it, and the queue goes on. What concerns the
// endpoint stops the flow:
//
//	action     state     next try                                           ended at once by
//	retry      retry     full jitter below a bound that doubles             Retry, a clock that is set
//	wait       retry     a put of device.json, 1 to 60 min                  a clock that is set or synchronised
//	operator   operator  the same; 15 to 60 min for a full store            Retry, a clock that is set
//
// One failed try costs no more than its answer: while the flow is stopped for
// an operator only device.json is put. No stop is for ever, since most words
// of a store can be forged by whoever sits on the path.
//
// # Virtual time
//
// All waiting is on timers and channels, and no mutex is held while time
// passes, so that tests run weeks in testing/synctest.
package uploader
