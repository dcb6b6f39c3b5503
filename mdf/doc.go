// Package mdf writes, finishes, repairs, compresses and reads the segments of canseal: ASAM
// MDF 4.11 files of CAN frames and of what is known about them. Readers made by
// others (asammdf, python-can, mdflib) open them in every state of their life.
//
// # A file
//
//	0     ID    "UnFinMF " while live, "MDF     " when finished
//	64    HD    start of the recording, ns since 1970 UTC; comment with device, session, split, how it ended
//	      FH    who wrote it
//	      CG... one channel group per shape of record, all declared in every file: about 37 kB
//	      DG    one data group, record ids of 1 byte
//	      DT    the last block: records to the end of the file
//
// Every record is its id byte and a fixed number of bytes that begins with the
// time: f64, ns since the start of the file, perhaps negative. layout.go is the
// one table that the blocks, the writer and the reader follow; docs/formats.md
// C1 and C2 say what the values mean.
//
//	id    group                 bytes   holds
//	1     CAN_DataFrame            24   classic frames, and FD up to 8 data bytes
//	2-4   CAN_DataFrame_FD16..64   32, 48, 80
//	5     CAN_RemoteFrame          16
//	6     CAN_ErrorFrame           24   error messages of the kernel, whole
//	7     CANseal_Gap              40   frames known to be missing        Gap
//	8     CANseal_Verdict          32   pending frames settled            VerdictChange
//	9     CANseal_Clock            32   anchor between clocks             Clock
//	10    CANseal_State            24   of link, controller, recorder...  State
//	11    CANseal_Security         24   events of authentication          Security
//	12    CANseal_Sender           16   the message table                 Sender
//	13    CANseal_Plain            80   plaintext, only when asked for    Plain
//	14    CANseal_Mark             24   the end of every write
//
// A data frame, little-endian, positions without the id byte:
//
//	 0         8              12       13           14            15       16
//	+---------+--------------+--------+------------+-------------+--------+------------
//	| time    | ID 29        | bus    | DLC 4      | length 7    | verdict| data, zero
//	| f64 ns  | 30 OtherTx   |        | 4 Dir      | 7 Encrypted |        | behind the
//	|         | 31 IDE       |        | 5 EDL BRS  |             |        | length
//	|         |              |        |   ESI 7    |             |        |
//	+---------+--------------+--------+------------+-------------+--------+------------
//
// # Its life
//
//	Create ──► live ── Finish: records │ counts, "orderly" │ ID ──► finished
//	            │                sync ─┘             sync ─┘ sync
//	            └── power cut ──► Repair: cut, gap │ counts, "cut" │ ID ──► finished
//	                                              finished ── Compress ──► another file, sorted
//
// The Writer holds records in memory until Sync, or until 256 KiB are full.
// Every write ends with a mark: how many bytes of records stand before it, and
// the CRC-32C since the mark before, begun with the start of the file. What Sync returned for is kept by Repair,
// whatever the power cut leaves behind it: Repair goes from mark to mark and
// takes nothing behind the last right one. Where the recording had ended in
// order before the cut, Repair only finishes the work; else it appends a gap
// with reason can.LostCut at the time of the last frame. Repair may itself be
// cut at any point; a second one changes no byte.
//
//	found                                                    Repair
//	header incomplete                                        Report.Empty: may be removed
//	"MDF     "                                               nothing, Report.Already
//	end "orderly", true length, right mark at the very end   counts, ID: Report.Orderly
//	anything else                                            cut, gap, counts, ID: Report.Cut
//	not ours, or damaged in the header                       *CorruptError, nothing is changed
//
// # The compressed form
//
//	0     ID    "MDF     "
//	64    HD    and everything else before the records: as in the file it was made from,
//	            with one data group for each channel group, in the order of the ids
//	      DG ─► CG   one, with the true count, without record id
//	         └► HL ─► DL ─► DZ...   no HL for a group without records
//	      DZ... the last blocks of the file: of all groups, in the order of the ids
//
// A DZ block holds at most 1 MiB of whole records: transposed (byte 0 of all
// records, then byte 1 of all, and so on), then deflated at level 1. The records
// of a group stand by time, equal times as they stood. There are no marks: the
// zlib streams have checksums. Of 25 bytes for a frame about 10 are left.
//
// Compress goes over its source in passes: the first checks every mark and
// count, and notes for each piece of 256 KiB the earliest time of each group;
// then, group by group, pieces are read in the order of these times, and a
// record is handed on as soon as no piece that was not read can have an earlier
// one. A Reader merges the groups again: by time, then id, then place.
//
// # Times
//
// Callers give and get ns since 1970-01-01 UTC. In the file a time is exact
// within 104 days of its start. A frame with the stamp of the frame before it,
// or less than 1000 ns behind it, is written 1 ns after it, whatever the bus:
// so the order of frames survives sorting by time, and text in microseconds
// comes back unchanged. A reader orders frames by time, then record id, then
// place in the file.
//
// # Promises
//
//   - Appending a frame does not allocate.
//   - A reader holds 256 KiB of records and the header, of a compressed file one
//     block of each group (1 MiB) and two more, whatever a file claims; it never
//     panics, and errors name the place, what was wanted and what was there
//     (*CorruptError).
//   - Compress holds about 6 MiB for any file whose times are nearly in order.
//   - Files of later versions are read: groups with unknown ids are passed over.
//   - Every file written is accepted by internal/mdfcheck, which shares no code
//     with this package.
package mdf
