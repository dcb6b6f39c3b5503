package main

import (
	"testing"

	"canseal/can"
)

// "Authentic" is code 2 alone; what is vouched for is believed only when asked
// for, a checksum never (docs/formats.md C1).
func TestWhatAuthenticOnlyLetsPass(t *testing.T) {
	strict, lax := settings{flags: &flags{}}, settings{flags: &flags{}}
	lax.vouched = true
	for v := range can.Verdict(30) {
		also := v == can.Vouched || v == can.VouchedTwice || v == can.AuthenticUnderGuessing
		if strict.believes(v) != (v == can.Authentic) || lax.believes(v) != (v == can.Authentic || also) {
			t.Errorf("%v: %v, with vouched ones %v", v, strict.believes(v), lax.believes(v))
		}
	}
}
