// Package isotp puts the messages of ISO 15765-2 together from frames, with
// normal addressing: the identifier alone says who speaks.
//
//	first byte   frame          then
//	0L           single         L bytes of the message
//	00           single, FD     length (8 bits), bytes of the message
//	1L           first          length (12 bits with L), bytes
//	10 00        first          length (32 bits), bytes
//	2N           consecutive    bytes; N counts 1-15, 0, 1...
//	3S           flow control   of the receiver: nothing of a message
//
// A message is cut to the length that was announced, and bears the time of its
// first frame. It ends incomplete, and is counted as lost, when a number is
// missing, when Timeout passes between two frames, or when its sender begins
// another. Whoever wants the messages of one identifier gives the frames of
// that identifier; both directions of a conversation have their own.
//
// Nothing that a bus says makes an Assembler fail or grow: 256 messages of up
// to MaxLength bytes are put together at a time; another one takes the place of
// the one that has waited longest.
package isotp
