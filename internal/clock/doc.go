// Package clock knows what time it is and how sure that is (docs/formats.md C9).
//
// A box without a clock battery wakes up in 1970, in the year its last shutdown
// was in, or wherever a liar sends it. It records from the first frame all the
// same, so there are two questions and two floors:
//
//	record floor  max(build, known, start of the newest segment): what names and
//	              stamps must not fall below, so that they rise with SESSION
//	trust floor   max(build, last signed request that a verified store accepted):
//	              what certificate dates are compared with, and nothing else
//
//	found when recording starts       offset added to all stamps   BelowFloor
//	wall >= record floor              0                            no
//	wall <  floor, synchronised       0: the kernel vouches        no
//	wall <  floor, not synchronised   floor - wall                 yes
//
// The offset stays the same until the clock is set: until CLOCK_REALTIME -
// CLOCK_BOOTTIME changes by more than 10 ms, or the kernel calls the clock
// synchronised. Then it is found anew; a clock that is set to another time below
// the floor goes on from the last stamp, so stamps still rise.
//
// Files, GNSS, NTP and what is remembered never raise the trust floor. A date
// more than 10 years after the build counts for neither floor: one lie of the year
// 2099 does no lasting harm.
//
// Time enters through Options.Read alone, so tests run in virtual time.
package clock
