// Package simulate plays a CANcrypt group and attacks on it, for people without
// hardware, for the demonstration, and for tests of everything that judges. No
// program that records links it.
//
//	Group      who takes part: 2-15 devices, their messages, their key
//	Attack     what is done to them
//	Bus        all of it on a simulated bus in virtual time: a can.Source
//	Live       the same, or a part of it, on a real bus
//	Truth      what the simulator knows of each frame that was on the bus
//	Trial      a judge that hears a bus in this process
//	Compare    verdicts held against the truth
//
// # Devices
//
// A device is a cancrypt.Member, as a product would use it, with messages sent at
// their rates, a tenth of a period early or late. A message that is due while there
// is no group is dropped. Payloads count in the first byte and walk in the others.
//
// # The simulated bus
//
// Time is virtual: Read computes events as fast as it is asked, equal options
// give equal events. Frames take their bits and a tenth for stuffing; of those
// that wait the lowest identifier goes first; each participant is first in, first
// out. Loss is each receiver's own, and the log's are announced as can.KindLost.
//
// # Attacks
//
// A node without keys hears what is on the bus and sends: inject, guess, announce,
// replay, heartbeat, group, abort, alert, flood. It waits while a sequence of its
// victim is under way, so that honest frames are not disturbed by the way: what a
// judge says of them is then its own doing. Somebody on the way between a device
// and the bus can tamper, drop and delay; the device does not notice.
//
// A device that sees its own identifier used falls silent and has the group start
// again later (5.7): it does so here too, unless Options.Quiet. If all are silent
// no cycle opens any more; then nobody is lost and no key is renewed.
//
// # What is compared
//
// Compare counts, after the first frame of the log whose verdict needs a key, the
// verdicts of honest listed frames of devices in the group, of those that keep
// silent, of heartbeats and of the frames of each attack. Report.Problems names
// what must not be: an attack's frame that passed, an attack most of whose frames
// have another code than its own, honest frames below the share. A guess is right
// once in 65,536, a guessed heartbeat once in 256.
package simulate
