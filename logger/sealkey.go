package logger

import (
	"crypto"

	"canseal/segment"
)

// signer is what was told last about the key of seal records.
type signer struct {
	key     string // segment.KeyID; empty: lines are not signed
	problem string // why not, where there is a key
}

// signed puts key and signature to a line. Whatever is wrong with the key, the
// line is written: unsigned then, and the change is told.
func (k *keeper) signed(line segment.SealLine) segment.SealLine {
	key, now := k.sealKey()
	if key != nil {
		with, err := line.Signed(key)
		if err == nil {
			line = with
		} else {
			now = signer{problem: err.Error()}
		}
	}
	k.tellSigner(now)
	return line
}

// sealKey asks for the key as it is now; nil: none that can be used.
func (k *keeper) sealKey() (crypto.Signer, signer) {
	key, err := k.o.SealKey()
	var id string
	if err == nil && key != nil {
		id, err = segment.KeyID(key.Public())
	}
	if err != nil {
		return nil, signer{problem: err.Error()}
	}
	return key, signer{key: id}
}

// tellSigner tells of the key when it is another than before.
func (k *keeper) tellSigner(now signer) {
	if now == k.signer {
		return
	}
	k.signer = now
	switch {
	case now.key != "":
		k.tell.tell("certificate", "seal records are signed", 0, detail{"key": now.key})
	case now.problem != "":
		k.o.Log.Error("seal records are not signed", "error", now.problem)
		k.tell.tell("certificate", "seal records are not signed", 0, detail{"reason": now.problem})
	default:
		k.tell.tell("certificate", "seal records are not signed", 0, detail{"reason": "the device has no key"})
	}
}
