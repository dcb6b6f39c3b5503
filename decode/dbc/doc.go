// Package dbc reads DBC files, as people have them.
//
// Parse never fails. One bad item costs that item and a Warning with its line;
// what refers to an item that was left out is left out without a word. After a
// bad statement reading goes on with the next line that begins with a keyword.
//
//	statement        what becomes of it
//	VERSION          File.Version
//	NS_, BS_         skipped
//	BU_              Node
//	BO_, BO_TX_BU_   Message; its number is the identifier, bit 31 set if it has 29 bits
//	SG_              Signal
//	SIG_VALTYPE_     Kind: 1 float32, 2 float64
//	SG_MUL_VAL_      Mux: extended multiplexing
//	VAL_TABLE_       ValueTable
//	VAL_             Signal.Choices; also by the name of a table
//	CM_              Comment
//	BA_DEF_          texts of enumerations
//	BA_DEF_DEF_      what holds where BA_ says nothing
//	BA_              Attributes, and the fields below
//	others           skipped: groups, environment variables, relations, categories
//
//	attribute                   field
//	SystemMessageLongSymbol     Message.Name; so for SystemSignalLongSymbol and SystemNodeLongSymbol
//	VFrameFormat                Message.FD: StandardCAN_FD, ExtendedCAN_FD, 14, 15; Message.J1939: J1939PG, 3
//	ProtocolType                Message.J1939 of all with 29 bits, if the network's is J1939
//	GenMsgCycleTime             Message.CycleTime
//	SPN                         Signal.SPN
//
// # Text
//
// Unless the caller knows better, a file is UTF-8 if all of it is valid, with or
// without a byte order mark, else cp1252; the five bytes that have no character
// there become U+0081 and so on.
// Lines end with LF or CRLF. Semicolons may be missing. Remarks from // to the
// end of the line are skipped. \" within a text is a quotation mark.
//
// # Bits
//
// DBC numbers the bits of a payload by byte, the least significant first:
//
//	         bit of the byte
//	byte     7  6  5  4  3  2  1  0
//	0        7  6  5  4  3  2  1  0
//	1       15 14 13 12 11 10  9  8
//
// An Intel signal (@1) begins at its least significant bit and goes on to
// higher numbers. A Motorola signal (@0) begins at its most significant bit and
// goes on to the right and then down in this picture.
//
// # Multiplexing
//
// A signal marked m3 is present if its multiplexer is present itself and has
// the value 3, or one of the ranges of SG_MUL_VAL_, which also names the
// multiplexer. Where it does not, that is the signal marked M, else the first
// one marked m3M or alike. Signals without a way up to one that is always
// present are left out, and those below more than 16 multiplexers.
//
// # Left out, with a warning
//
//	messages   identifiers beyond 11 or 29 bits; a number used before; more than 4095 bytes
//	signals    not within their message; not of 1-64 bits; floats of other lengths; a name used before
//	long names that another signal of the message has: the short one stays
//
// VECTOR__INDEPENDENT_SIG_MSG is no message, and is left out in silence.
//
// # Bounds
//
// Files are not trusted. Memory is proportional to the length of the text, as
// is time; 64 MiB and 1000 warnings are the most. Names and texts are what the
// file says and may hold any character but control characters in names: who
// shows them, or makes paths of them, has to escape them.
package dbc
