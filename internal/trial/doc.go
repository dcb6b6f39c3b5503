// Package trial is the machine by which settings become current: nothing does
// so untested, and nothing that fails its test leaves more than a reason.
//
//	            Stage           Begin            Proved             all installed
//	settled ───────────► staged ───────► trying ────────► settling ───────────────► settled
//	   ▲                   │  Withdraw     │  deadline, boots, failures, Break
//	   └───────────────────┴───────────────┼──────────────────────────────────────► refused
//	                                       └─ Withdraw: settled
//
// The machine is pure. Step takes the record that was saved last, the time that
// the program ran since, and what happened; it returns effects. Its caller
// performs them in order, each durable before the next begins, and goes on from
// the record of the last Save that succeeded, never from one that did not. So a
// power cut, or a card that takes nothing, between two effects leaves a record
// from which Boot or Resume goes on:
//
//	saved      in force                       after a cut
//	settled    current                        left-over candidates are removed
//	staged     current                        as it was
//	trying     the candidate, where that is   a boot is taken off, then the trial goes on
//	           what a trial of it means
//	settling   the candidate                  previous, current and Save are done again
//	refused    current                        left-over candidates are removed
//
// Time is running time alone: what a wall clock says neither ends nor stretches
// a trial. A trial ends by proof; by Failures that the caller could tell from
// the weather, spread over Span; by Break, when something of the device itself
// failed under the candidate; by Deadline; or by Boots, the starts of the
// program without one attempt that came to its end. A candidate in force does
// not get its boots back: it may be what ends the program.
package trial
