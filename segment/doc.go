// Package segment holds the names on the card: what a segment is called in each
// of its states, what a scan finds, what recovery does with it, the object key,
// the receipt and the seal record (docs/formats.md C5-C7). It decides no policy.
//
//	LOG/DEVICEID/SESSION/SPLIT.MF4[.part|.raw|.tmp|.keep|.upload|.sent]
//	LOG/DEVICEID/SESSION/seal.log
//
// DEVICEID is 8 upper-case hex digits, SESSION and SPLIT are 8 decimal digits
// from 1. SESSION is one run of the recorder, or 5,000 splits of it.
//
// # A state is a set of names
//
//	SPLIT.MF4.part    being written                                    recorder
//	SPLIT.MF4.raw     finished, waits for compression                  recorder
//	SPLIT.MF4.tmp     the compressor's work                            compressor
//	SPLIT.MF4         sealed: its bytes never change again             recorder, compressor
//	SPLIT.MF4.keep    pinned: first in the queue, last in retention    operator, trigger
//	SPLIT.MF4.upload  journal of a multipart upload                    uploader
//	SPLIT.MF4.sent    the store's receipt                              uploader
//
// A transition is one rename or one new file, synced with its folder. There is no
// other state: the directory is the queue, and a power cut leaves each segment in
// one row of this table.
//
//	found at boot                                      done
//	.part                                              repaired, then .raw or .MF4
//	.tmp                                               removed (with .part: by Resolve)
//	.raw and .MF4                                      .raw removed (by Resolve)
//	.raw alone                                         compressed, or sealed as it is
//	.upload, .sent or .keep without .MF4 .raw .part    removed
//	.sent.new (a receipt cut off)                      removed
//	.new, .new2, .new3 (a Resolve cut off)             resolved again
//	.MF4 without its line in seal.log                  the line is made, late
//	torn last line of seal.log                         cut off
//
// AtBoot is this table as data; package logger executes it. On FAT a rename is not
// atomic: names of one split that cannot stand beside each other otherwise may
// share clusters, and Resolve settles them by content. Names of one split that hold
// different segments, by their headers, can come from another box or another
// version: the furthest keeps the split, the others get the next free ones of the
// folder.
//
// # Seal records
//
// seal.log holds one JSON object per sealed segment, ASCII, no blanks, in this
// order of fields:
//
//	{"v":1,"device":"A1B2C3D4","session":17,"split":3,"start":T,"first":T,"last":T,"form":"dz",
//	"size":n,"sha256":H,"frames":n,"gaps":n,"lost":n,"end":"orderly","clock":"synchronised",
//	"late":false,"dropped":n,"config":H,"prev":H[,"key":H,"sig":B]}                (one line, ended by \n)
//
// T is YYYY-MM-DDTHH:MM:SS.nnnnnnnnnZ in quotes, always 9 digits, or "" for first
// and last of a segment without frames; H is 64 lower-case hex digits in quotes; B
// is standard base64. prev is the SHA-256 of the line before with its line end, 64
// zeros for the first line ever. sig signs the bytes before `,"sig":`. The line as
// written is the canonical form; nothing is ever encoded again.
//
// Card.Verify holds the files of a card against their lines, Objects the objects
// of a bucket against the lines in their metadata. Whose signatures count, Trust
// says: a segment is Signed by a key that somebody vouches for.
//
// # Promises
//
// Everything on a card is hostile: names that do not fit are counted and left
// alone, sizes are bounded, nothing panics. Modification times mean nothing. Files
// that are not ours are never touched, nor are segments of another DEVICEID.
package segment
