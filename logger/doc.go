// Package logger records: from a source of events to sealed segments on a card,
// with every frame in a segment or counted as lost. It knows nothing of networks.
//
// # Who does what
//
//	capture    one locked thread: source -> queue. Never waits for a disk
//	recorder   owns the open segment: dates, counts, writes, syncs, splits, seals
//	keeper     owns what is sealed: seal lines, repair of failed segments, retention
//	press      one thread of the lowest priority: .raw -> .tmp, one segment at a time
//	teller     hands lines to events.jsonl
//	judges     of buses with CANcrypt: the recorder's, before it records
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
//	seal.log                           size, SHA-256 and counts, chained to the line before,
//	                                   signed when there is a key (Options.SealKey)
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
//	                those that its own gaps counted (these
//	                not again in the status)
//	7 reconfigured  Continue: from the last frame to now       unknown
//	8 write         recorder: not synced when an error ended   yes
//	                the segment, or no segment was open
//
// Recorded and counted together are what was sent; tests hold that for the queue,
// for deletions and for every failing operation.
//
// # What is left out
//
// Each bus may have a filter list and a control. A frame goes through the filter,
// the prescaler of the entry that let it pass, and the control, and is counted by
// the first that leaves it out: left_out.filter, .prescaler, .control, and the sum
// by bus. None of that is a gap; recorded, lost and left out together are what came.
// A frame that was lost before (own queue, socket) is lost, whatever the filter would
// have said. Error messages, losses and states of links pass everything; frames that
// this program sends pass the filter, not the control.
//
//	list      the first rule that has the frame decides; none: left out; no list:
//	          everything passes. Rules know 11 or 29 bits, ranges or masks, and
//	          whether remote frames count; one that does not have a remote frame
//	          leaves it to the next
//	count n   the first frame of an identifier passes, n-1 do not, and so on
//	time d    a frame passes, and the next after d by the kernel's stamps; also when
//	          the clock goes back
//	change m  the first passes, then each that differs from the one before in a bit
//	          under m, or in how many bytes it has under m
//
// "Identifier" is the number with its width, data and remote frames apart. 11-bit
// identifiers are looked up in a table; of 29-bit ones 3,072 are remembered by bus.
// When one more comes, all are forgotten: their next frame passes. So a flood of
// identifiers costs no memory and can silence nobody.
//
// # Control
//
// A signal with two thresholds pauses and resumes a bus. Only its edges count:
//
//	       value <= StopAt: pause (32)
//	high ───────────────────────────────► low
//	     ◄───────────────────────────────
//	       value >= StartAt: resume (33), if the bus pauses
//
// It begins high: a bus is recorded until its signal says otherwise, also when the
// message never comes. A pause longer than MaxPause ends by itself (34) and the next
// falling edge pauses again, so a signal that stays low silences a bus once. The
// time of a pause, and what waits in it, goes on over steps of the clock; while
// recording rests after Rotate a pause ends with the next event. Data frames of any
// direction carry the signal, also those that the filter leaves out; a payload too
// short for it, or not a number, says nothing.
//
// The frame that pauses is still recorded, the one that resumes already. Each turn
// is a state record with the identifier of its frame (34 has none) and the number of
// frames left out by the control since the last such record of the bus; a segment
// that opens in a pause repeats 32, and the end writes 30 with the rest, so that
// the Counts of a bus add up to what its control left out.
//
// During a pause the frames of the last PreTrigger wait in memory and are recorded
// when the bus resumes: late, with their own times, in the order in which they
// came, behind what other buses recorded meanwhile and perhaps before the start of the
// segment. Readers sort by time. What waits is 16 bytes and the payload a frame; all
// buses together use at most 24 MiB for it, in equal shares, and a bus that has more
// to keep gives up the oldest. A power cut takes what waits, like any pause.
//
// With Pin a resume by the signal also writes a mark (71), and the segments that are
// open until the next pause are pinned, until pinned segments take half of the card.
//
// # Judging
//
// A bus may have a judge (Bus.Judge, package cancrypt). It sees every frame of its
// bus, also those that the filter or the control leaves out, before they are
// recorded:
//
//	queue ─► judge ─► wait ─► filter, control ─► segment
//	           │       └─ at most 12 ms of stamps: until a preamble's message has come
//	           ├─ verdict: into the frame, while it is in the queue
//	           ├─ later: CANseal_Verdict, by identifier and time, or sender and interval
//	           ├─ security events: CANseal_Security, one a second for each sender and kind,
//	           │  with a count; a line of events.jsonl, one a minute
//	           └─ start keys that were proven: state/seenN, by a goroutine of its own
//
// So nearly all verdicts stand in the frames, and CANseal_Verdict is left for what
// only a heartbeat, seconds later, can settle. Nothing waits for longer than a flush.
// Losses reach the judge too, each before the frames behind it. Frames with
// ciphertext are marked by the table. The head of each segment names judge and table,
// and who sends what; with JudgeOptions.Plaintext decrypted data stands in a group of
// its own.
//
// The judge's clock is the kernel's stamp without the steps of the clock, so that no
// limit breaks when the clock is set. On a quiet bus it follows the clock, 200 ms
// behind; a replay has its own time.
//
// A judge that has missed a heartbeat is mended by a search on a thread of the lowest
// priority; what was recorded as not judged stays so. Without a key everything that
// needs one is not judged, and the status says why. Continue keeps a judge whose
// settings have not changed in step.
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
// When the card is back, or is another one, recovery runs first, then the next segment
// opens; a card that knows higher sessions than ours starts a new one. The card is
// looked at each second, also while recording rests after Rotate, and before each
// segment. A split of which any name is there already is not used. A segment that
// waits for its seal line is known by the start in its header, and not looked for
// under the same name of another card.
//
// # Splits
//
// A segment ends at Options.SplitSize, on the grid of SplitTime and SplitOffset from
// midnight UTC (by the time of a frame; on a quiet bus within a second, and only if it
// holds a frame or a gap), at a step of the clock from 1 s on (at most once in 10 min),
// by Rotate, after an error, and at the end. After 5,000 splits a new session begins,
// so that a seal.log, which is read whole, stays below 5 MB; the last session of all,
// 99999999, goes on in its folder.
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
// # Compression
//
// With Options.Compress a finished segment is named SPLIT.MF4.raw, and the press
// makes the sorted, compressed form of it (mdf.Compress) beside it:
//
//	.raw ─► .tmp, synced as it grows ─► rename to .MF4, sync the folder ─► remove .raw ─► seal line, form dz
//	                                    └────────────── keeper ──────────────────────────────────────┘
//
// Nobody waits for it: the recorder goes on in the next segment, retention deletes
// meanwhile, and does not count the .tmp as used. A .raw is renamed to .MF4 as it
// is, with form raw, when
//
//	more than 4 wait             the oldest, until there are 4
//	the run ends                 what is being compressed is stopped at its next read or write
//	Rotate, final                that segment and those before it
//	recording stopped for room   all, so that the oldest can be deleted (not with unsent: keep)
//	no room                      less is free than the .raw and one more segment take
//	an error                     of the card, of a mark or a count, times in too many strands
//
// Segments of a session are sealed in the order of their splits, but that one
// that resists an error hinders no other.
//
// # Retention
//
// When less is free than Options.KeepFree, the keeper deletes the oldest first of: sent
// over TLS; sent plain; sent and pinned; and, unless KeepUnsent, unsent; unsent and
// pinned. It goes on until a quarter of SplitSize (or of the reserve, if that is less)
// is free above the reserve. The count of dropped segments is written down before such
// a segment goes, and taken back if it stays. One that cannot be deleted is left alone
// for a minute and hinders no other; one that is gone is counted, even if the names
// beside it resist.
//
// # Recovery
//
// Prepare executes segment.AtBoot for every split of ours: .part is repaired, .raw is
// compressed once Run works, or sealed as it is, half-done renames of FAT are resolved
// by content, and of two segments under one split the second is moved to a split of its
// own. What has no seal line gets a late one from the keeper, one segment at a time,
// once Run works: recording waits for no finished segment to be read. One that is
// damaged behind its head is sealed as it is: its line counts what can be read and
// one gap more, and says cut; with a damaged head it stays without a line. state/seal
// and the lines of the card together give the end of the chain: the file may be one
// line behind, or lost.
//
// # Memory
//
//	queue     Options.Queue events of 112 bytes (131,072: 14 MiB, 6 s of a full
//	          classic bus with empty frames); pages are touched only as far as the
//	          longest stall needed
//	writer    256 KiB
//	losses    4 KiB each, notes 256, event lines 256
//	filter    40 KiB a bus; 700 KiB more when it thins out, touched as it is used
//	control   24 MiB over all buses, taken as it is used
//	keeper    64 KiB to hash; a listing of the card while it looks
//	press     6 MiB while it works (mdf.Compress)
//	judge     1 MB a bus, 1 MB of pending frames (20 MB under forged starts that no
//	          heartbeat decides), 4 MB for a repair, taken as it is used; 0.5 MB of start keys at most
//
// Nothing per frame is allocated or logged.
package logger
