// Package j1939 knows what a 29-bit identifier of SAE J1939 says, and puts the
// messages together that are longer than a frame: those of its transport
// protocol, and the fast packets of NMEA 2000.
//
//	bits of the identifier
//	28-26      25    24   23-16    15-8               7-0
//	priority   EDP   DP   format   destination        source     format 0-239 (PDU1)
//	priority   EDP   DP   format   group extension    source     format 240-255 (PDU2)
//
// The parameter group number (PGN) is EDP, DP, format and, with PDU2, the group
// extension.
//
// # Transport protocol
//
// TP.CM (EC00) announces, TP.DT (EB00) carries. A broadcast (BAM) follows at
// once; a connection (CMDT) is asked for and controlled by the receiver.
//
//	TP.CM    byte 0           1-2      3         4        5-7
//	         16 RTS, 32 BAM   bytes    packets            PGN, little-endian
//	         17 CTS, 19 end of message, 255 abort
//	TP.DT    byte 0: number of the packet, 1-255; 1-7: seven bytes
//
// A whole message bears the identifier that one frame of its group would have,
// with priority 6, and the time of its announcement. It ends incomplete, and
// is counted as lost, when Timeout passes between two frames, when it is
// aborted, or when its sender announces another to the same address.
//
// Nothing that a bus says makes the assemblers fail or grow: each puts 256
// messages together at a time; another one takes the place of the one that has
// waited longest. The extended transport protocol (C800, C700) is not known.
package j1939
