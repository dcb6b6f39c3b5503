// Package text writes frames and tables as text.
//
//	candump  (1735270496.916858) can0 110#00112233        can.AppendCandump: what canplayer takes
//	ASC      the dialect of log2asc (can-utils): hexadecimal, times since the
//	         first frame in microseconds; the date is UTC
//	raw CSV  a line for each frame
//	CSV      a line for each row of a table; the unit behind the name
//
// ASC has no place for verdicts, for the eight bytes of an error message, nor
// for the DLC of a classic frame beyond 8.
//
// # CSV
//
// RFC 4180 with LF. Times are RFC 3339 in UTC with nine digits. Identifiers of
// raw CSV are hexadecimal, 3 digits or 8, and data are hexadecimal. What is
// null is empty. A text that a spreadsheet would take for a formula (it begins
// with = + - @ or a control character) gets an apostrophe in front.
package text
