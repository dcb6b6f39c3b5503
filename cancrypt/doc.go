// Package cancrypt is CANcrypt as profile P1 defines it, pure: bytes, frames,
// times and randomness in; frames, verdicts and state out. It starts no
// goroutine, reads no clock and does no input or output.
//
// The profile is in cancrypt.md beside this file; P1.3 or 5.4 in a comment is
// a section of it.
package cancrypt
