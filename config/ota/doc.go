// Package ota lets settings change over the air so that they can neither brick a
// device nor hand it to whoever writes the bucket. It owns the files of settings
// (docs/formats.md C5, C11); internal/trial says what happens to them; the bucket,
// the judges and the recorder are functions that its user gives it (Ways).
//
// # Who may give settings
//
//	ota.policy   statement (update.json, signed)   object without one   device.crt
//	off          –                                 –                    –
//	signed       scopes signed and air             –                    yes, bound to the device's own key
//	bucket       the same                          scope air            the same
//
// One field above the scope of its source refuses a candidate whole. A statement
// names the device or its fleet, a serial that only rises for each signer, and the
// SHA-256 of one or two objects, which all settle or none. Objects are put first,
// the statement last: a hash that does not fit yet is looked at again.
//
// # What refuses, and what only waits
//
//	refused at once    what the device alone can judge: form, size, signature, device, serial, scope, emptiness
//	waits              dates, for the clock; objects that are not complete
//	refused by trial   three failures of trust or identity over at least an hour, each between two
//	                   successes of what is current; seven days without proof; three starts without an
//	                   attempt that came to its end; a configuration that the device cannot work with
//
// A man on the path can forge failures and silence, so they only repeat a trial.
// What a signed trial refused is tried anew once a day; an unsigned one when it is
// put anew. What was refused at once is judged anew when the ways change.
//
// Uploads go by what is current until a candidate has settled: no trial cuts a
// device off, and nothing weaker than the present comes back by itself. A
// configuration on trial is in force for the recorder alone.
//
// # The card
//
// A file that differs from the one remembered was changed on the card, and wins: a
// bundle or a certificate at once, a configuration with the next start or reload.
// The bucket speaks again when somebody puts another object there.
//
// Everything runs in virtual time and on internal/durable, so the power fails in
// tests at every operation.
package ota
