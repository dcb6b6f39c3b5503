// Package offline judges recorded logs with the code that judges a bus
// (cancrypt.md 5.11), so that a logger need not carry the group's key. It works
// on records; who calls it opens the files.
//
//	segments of a session, in order ─► Session.Note, for each record: what is missing
//	                                ─► Session.Record, for each record again: judged
//	                                ─► Verdicts by frame, Events
//
// A judge begins at the first frame of a session and follows the group from the
// first GROUP that starts it. What the log counts as lost, a split that is not
// there and a pause of the recording put it into the rules for losses; nothing
// else does. Frames that a filter left out are not known as missing: a log that
// is to be judged needs all frames of its group.
//
// One heartbeat that was missed is searched for at once (5.10): about 15 s of a
// processor, during which the frames since wait; then they are judged.
//
// The judge's clock is the recorded time without the steps of the machine's
// clock, which the anchors tell.
//
// Memory: one byte a frame of the session, and 8 MB for each bus.
package offline
