// Package decode turns frames into signals.
//
//	frames ─► Decoder ─► Batch of one message ─► columns: times, states, raw and physical values
//	             │
//	             └─ ISO-TP, J1939, fast packets: parts ─► a long message
//
// # Which message decodes a frame
//
// A Plan knows it, for one device. Rules assign DBC files to devices and buses;
// the first rule that has a fitting message wins. The search goes
//
//  1. by identifier: the same 11 or 29 bits;
//  2. by J1939 parameter group (PGN) of a 29-bit identifier, among messages that
//     their file marks as J1939, and those written for the source address FE,
//     which stands for any.
//
// or the other way round (GroupFirst). Priorities never matter for groups, nor
// does the destination of a PDU1 group. Of several messages of one group that of
// the same source and destination is first, then one of the same source, then
// one for FE, then the first of the file. The identifier of each row is kept,
// and with it the source address.
//
// # What a signal is in a payload
//
//	state        when
//	Present      all of its bits are in the payload, and its multiplexers select it
//	Short        the payload ends before it does; nothing is padded
//	Unselected   a multiplexer has another value
//	Encrypted    a byte that it has bits in is ciphertext
//
// A signal below a multiplexer that is not present has the multiplexer's state.
// Bytes beyond the length of the message are ignored. Only what is Present has
// a value:
//
//	raw          an integer, its sign applied; of float signals the IEEE 754 bits
//	physical     float64(raw)*scale, rounded, plus offset, rounded
//
// The two roundings are those of cantools and asammdf; values are equal to
// theirs to the bit on every processor.
//
// # Batches
//
// Rows of a message on one bus are gathered until there are Options.Rows of
// them, or all tables together reach Options.Memory; then Options.Batch gets
// them. Columns are made when they are asked for, a signal at a time, into
// memory of the caller: what nobody asks for costs nothing. The order of the
// batches is the same for the same frames and options.
//
// # Long messages
//
//	protocol       frames that belong to it
//	J1939          groups EC00 and EB00, whoever has them in a DBC file
//	fast packet    a group from 1ED00 on whose message has more than 8 bytes
//	ISO-TP         classic frames of any other message with more than 8 bytes (FD: 64);
//	               7E8-7EF and 18DAF1xx, if there is a message; TransportOptions.ISOTP
//
// A long message is a row with the time of its first frame, so that a batch may
// be out of order: see Batch.Sort. Its verdict is that of its frames if all have
// the same, else NotJudged. Frames with ciphertext are not put together.
//
// ISO-TP payloads get the low byte of their length in front, because the DBC
// files for diagnostics that people have count their bits from there, and since
// a single frame, byte for byte, is that; TransportOptions.PlainPayload leaves
// it out.
//
// # Bounds
//
// Neither DBC files nor frames are trusted. Memory is bounded by Options.Memory,
// the plan, 65,536 remembered identifiers and 256 open messages of each
// protocol; the work for a frame by its length and, when columns are asked for,
// the number of its signals.
package decode
