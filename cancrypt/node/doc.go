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
// processed 2 ms late, and after every frame that the kernel has queued by then,
// so that all members count the same heartbeats however slow their machines are.
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
//
// # Keys and pairings
//
// Store is the key slots of this box, in a file of mode 0600 of the state folder,
// changed as a whole under a lock, so that the daemon and commands can share it.
// Keys come into it by a pairing, or by Provision from an age file; nothing gives
// them out but to a judge, a member or a pairing of the same process. What is
// erased is gone from the file; that no copy stays in memory, or in old blocks of
// a disk, cannot be promised.
//
// Configure runs a configurator: it pairs, does what is planned, and unpairs.
// ServeDevice runs a device alone, Options.Device one beside a member, on the same
// port. Both keep their deadlines themselves: a bit cycle has 5 ms to spare, so on
// a machine that is late by more each bit takes more cycles; the pairing ends only
// after three periods without one.
package node
