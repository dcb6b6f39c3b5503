// Package logger records: from a source of events to sealed segments on a card,
// with every frame in a segment or counted as lost. It knows nothing of networks.
//
// # Who does what
//
//	capture    one locked thread: source -> queue. Never waits for a disk
//	recorder   owns the open segment: dates, counts, writes, syncs, splits, seals
//	keeper     owns what is sealed: seal lines, repair of failed segments, retention
//	teller     hands lines to events.jsonl
//
//	source ─► capture ─► queue ─► recorder ─► SPLIT.MF4.part ─► SPLIT.MF4 ─► keeper ─► seal.log
//	                       │          ▲                                         │
//	                       └─ losses ─┴──────────── forced deletions ───────────┘
//
// Each piece of state has one owner. Between them lie the queue (a ring of events
// that are read into it and recorded from it in place), two small tables of losses
// and a list of jobs. The end of the source flows down: the queue runs empty, the
// segment is finished and sealed, the keeper makes its line, Run returns.
//
// # What is durable when
//
//	in the queue                       nothing
//	written by the recorder            nothing; at most one flush interval is here
//	after a sync (each Options.Flush)  every record so far, whatever happens next
//	SPLIT.MF4                          the whole segment; its bytes never change again
//	seal.log                           size, SHA-256 and counts, chained to the line before
//
// A power cut costs at most what came in since the last sync. Of a segment that was
// open everything synced is kept, with a gap of reason cut at its end. No sealed
// segment is lost or there twice, and recovery done again changes nothing.
//
// # Losses
//
// What cannot be recorded is merged by bus and reason, with the interval and the
// count, until a segment takes it: 9 x 10 entries, however long that lasts. A gap is
// at risk until it is synced, like a frame; if the sync fails, it is written again.
//
//	reason          counted by                                 exact
//	1 2 3           the source (KindLost)                      1 yes, 2 and 3 at least
//	4 own queue     capture, when the queue is full            yes
//	5 cut           repair                                     unknown, at least one
//	6 deletion      keeper: frames of the seal line, and       yes
//	                those that its own gaps counted
//	7 reconfigured  Continue: from the last frame to now       unknown
//	8 write         recorder: not synced when an error ended   yes
//	                the segment, or no segment was open
//
// Recorded and counted together are what was sent; tests hold that for the queue,
// for deletions and for every failing operation.
//
// # Errors of the card
//
// An error of a write or a sync is final for its file. The recorder closes it, opens
// the next segment at once (if the last was opened more than 10 s ago, else within a
// second) and counts what was not synced. The keeper cuts the file to what was synced,
// repairs and seals it; a file without any synced record is removed.
//
//	card state      meaning                                    what happens
//	50 ok
//	51 low          unsent segments are being deleted          recording goes on
//	52 full         ENOSPC, or nothing left to delete above    tried each second; what comes
//	                the reserve (unsent: keep)                 in is lost, and counted
//	53 read-only    EROFS                                      the same
//	54 write error  any other                                  the same
//	55 missing      CheckCard says so                          the same; nothing is written
//	                                                           below ROOT
//
// When the card is back, recovery runs first, then the next segment opens; a card that
// knows higher sessions than ours starts a new one.
//
// # Splits
//
// A segment ends at Options.SplitSize, on the grid of SplitTime and SplitOffset from
// midnight UTC (by the time of a frame; on a quiet bus within a second, and only if it
// holds a frame or a gap), at a step of the clock from 1 s on (at most once in 10 min),
// by Rotate, after an error, and at the end.
//
// # Clock
//
// Options.Clock adds its offset to every stamp. Before events are dated the recorder
// looks for a step, so no event gets an offset older than itself; events that were
// stamped before the step are still dated by the old offset and go to the old segment.
// Anchors stand at the head of each segment, each 60 s, at a step, at a change of
// synchronisation, and at the end. The last anchor before a step that splits has its
// place on the old time and the true wall clock, so that a reader can re-date the
// segment.
//
// # Retention
//
// When less is free than Options.KeepFree, the keeper deletes the oldest first of: sent
// over TLS; sent plain; sent and pinned; and, unless KeepUnsent, unsent; unsent and
// pinned. It goes on until a quarter of SplitSize (or of the reserve, if that is less)
// is free above the reserve. The count of dropped segments is written down before such
// a segment goes.
//
// # Recovery
//
// Prepare executes segment.AtBoot for every split of ours: .part is repaired, .raw is
// sealed as it is, half-done renames of FAT are resolved by content, what has no seal
// line gets a late one. state/seal and the lines of the card together give the end of
// the chain: the file may be one line behind, or lost.
//
// # Memory
//
//	queue     Options.Queue events of 112 bytes (131,072: 14 MiB, 6 s of a full
//	          classic bus with empty frames); pages are touched only as far as the
//	          longest stall needed
//	writer    256 KiB
//	losses    4 KiB each, notes 256, event lines 256
//	keeper    64 KiB to hash; a listing of the card while it looks
//
// Nothing per frame is allocated or logged.
package logger
