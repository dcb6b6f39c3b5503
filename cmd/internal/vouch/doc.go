// Package vouch decides whose signatures under seal records count: the flags
// --device-cert and --ca, the same in all programs, and what they mean for the
// segments of a device.
//
//	flags                  a signature counts when its key is that of
//	--device-cert FILE     a certificate of FILE, unless that is named after another device
//	--ca FILE              device.crt beside the segments, issued by FILE to this very DEVICEID
//	both                   a certificate of either, issued by the authority to this DEVICEID
//	none                   device.crt beside the segments: told, and "not checked against anything"
//
// An authority vouches as for mode high: a chain to it, usage clientAuth, not on
// its revocation list. A certificate that has ended is judged at its last moment,
// because what it signed before stays signed.
package vouch
