package offline

import (
	"canseal/can"
	"canseal/cancrypt"
)

// Sender returns the address that a frame claims, and whether it claims one: by
// its control ID, by the table, or in CANcrypt FD by its record.
func Sender(o *cancrypt.JudgeOptions, f *can.Frame) (address uint8, claims bool) {
	if f.Flags&(can.Remote|can.Error) != 0 {
		return 0, false
	}
	w := cancrypt.WordOf(f)
	if w&^15 == o.Control {
		return uint8(w & 15), true
	}
	if r := o.Table.Find(w); r != nil {
		if o.FD && f.Is(can.FD) {
			if _, rec, found, _ := cancrypt.ParseFD(f.Payload()); found {
				return rec.Sender, true
			}
		}
		return r.Producer, true
	}
	sender, only := o.HeartbeatOnly[w]
	return sender, only
}
