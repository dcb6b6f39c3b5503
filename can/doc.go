// Package can is the vocabulary of canseal: frames, the events of a bus, the
// codes that stand in logs, and candump text. It imports the standard library
// only and builds everywhere.
//
// # Events
//
// A Source delivers events. Their Kind says which fields count: a frame with
// its direction, frames that were lost, or a new state of the link or the
// controller. Times are ns since 1970 UTC. Frames and events are values; none
// shares memory with another.
//
//	Source                      where
//	a bus                       can/socketcan
//	a simulated bus             can/sim
//	a candump log               Replay
//	another source, in time     Paced
//
// # Candump text
//
// The text is that of candump -l and canplayer of can-utils, one line for a
// frame:
//
//	(1735270496.916858) can0 18FEF100#A0A1A2A3A4A5A6A7
//	 seconds.us          interface   #data
//
//	time     ten digits of seconds, six of microseconds
//	name     any bytes above the space
//	frame    ID#DATA        classic, 0-8 bytes
//	         ID#DATA_X      eight bytes whose DLC on the wire was X, 9-F
//	         ID#R, ID#RL    remote, of length L, 1-8
//	         ID#R8_X        remote, DLC X, 9-F
//	         ID##FDATA      FD, 0-8, 12, 16, 20, 24, 32, 48 or 64 bytes; F is
//	                        4 + 1 with BRS + 2 with ESI
//	         EEEEEEEE#DATA  error message of the kernel: its class bits and
//	                        the flag 20000000
//	ID       three digits up to 7FF, or eight up to 1FFFFFFF if extended
//	digits   hexadecimal, upper case
//	end      " T" if this machine sent the frame, as candump -x writes it
//
// AppendCandump writes exactly this. ParseCandump reads it, and also
//
//	one to nine digits of seconds      candump -t z, and other programs
//	nine digits behind the point, ns   candump -N
//	more spaces around the interface   candump with names of unequal length
//	" R" at the end                    candump -x, received
//	lower case, r, R0                  files made by hand
//	FD flags below 4                   Linux before 5.14
//
// Two laws hold, and fuzz tests keep them. Parsing what was printed gives the
// same event, for every Valid frame and time of whole microseconds, but for
// Bus and Verdict, which have no text, and OtherTx, which becomes Tx. Printing
// what was parsed gives the same bytes, if they are of the form above.
//
// What is refused: times before 1970, or beyond an int64 of ns (2262), CAN XL
// frames, dots between bytes, and FD frames of a length that no DLC stands
// for. The error tells the column, what was wanted and what was found.
package can
