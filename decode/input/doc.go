// Package input finds recordings and hands out what they hold as one sequence
// per session: MF4 files of canseal and of others, the containers of the
// CANedge, candump logs.
//
//	Find    paths, globs, folders, whole cards, "-"  ─► Files
//	New     Files ─► Sessions: by device and number, segments in order, copies dropped
//	Items   a Session ─► frames, side records, raw records, by time
//
// # What belongs together
//
// A path that ends in DEVICE/SESSION/SPLIT, as the card and the bucket have it,
// names the device (8 hex digits), the session and the split (8 digits);
// "-EPOCHHEX" and the suffixes .part and .raw are no part of the split. What a
// file says of itself is taken where its path says nothing; the two may differ
// and are never compared. Any other file is a session of its own. Of two files
// with equal device, session and split the sealed one counts, else the first by
// name; the others are named in Input.Dropped.
//
// A file of which is known, without opening it, that it holds nothing from the
// time that is wanted (File.Start, File.End) is not opened (Segment.Aside),
// unless the clock of what is wanted can be set right only by it.
//
// # Times
//
// Recorded times are corrected by the clock anchors of all segments of the same
// boot, also of later ones and of neighbouring sessions (docs/formats.md C9.6):
//
//	Synchronised  the clock was right when the frame was recorded
//	Corrected     a good anchor of the same boot says by how much it was wrong
//	Unknown       there is none, or the time lies before 2000
//	Recorded      a file of others: it says nothing about its clock
//
// # Verdicts
//
// A pending verdict is settled by the records of the session that say so, also
// of later segments. What no record names stays pending.
package input
