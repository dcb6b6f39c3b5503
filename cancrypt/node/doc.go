// Package node runs a cancrypt.Member on a bus: the active part of CANcrypt, a
// service of its own beside the recording. If it fails, recording and judging
// go on.
//
//	Port.Run ──► queue of 1024 events ──► one goroutine: Member ──► queue of 256 frames ──► Port.Send
//	                                          ▲      │
//	Send, Vouch, Regroup ──► 64 requests ─────┘      └──► Options.Deliver, Event, State
//
// One goroutine owns the member. All queues are bounded: events that do not fit
// are counted as missed, requests wait for room, and frames that do not fit or
// were not handed to the controller in time are dropped and counted.
//
// # Time
//
// The member lives by a clock that never jumps: the stamps of frames, which are
// the wall clock's, are turned into ages when they are read. A deadline is
// processed 2 ms late, so that a frame that ended before it has been read.
//
// # Start and stop
//
// The port is opened by Run, which joins the group. When the port fails Run
// returns its error, to be called again by internal/run; the member keeps its
// state, the time passes, and it joins anew if the group has gone on. When its
// context ends, Run leaves the group in order, which takes at most the inhibit
// time and a cycle, and returns nil.
//
// A Port whose link must stay silent refuses frames; the member then counts as
// missing, which the others notice after two cycles.
package node
