package can

import "testing"

func TestLengthsOfDLCs(t *testing.T) {
	for dlc, want := range []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 20, 24, 32, 48, 64} {
		if got := Length(uint8(dlc), true); got != want {
			t.Errorf("FD length of %d is %d, want %d", dlc, got, want)
		}
		if got := Length(uint8(dlc), false); got != min(want, 8) {
			t.Errorf("classic length of %d is %d, want %d", dlc, got, min(want, 8))
		}
		if got := DLC(want); int(got) != dlc {
			t.Errorf("DLC of %d bytes is %d, want %d", want, got, dlc)
		}
	}
	for n, want := range map[int]uint8{9: 9, 13: 10, 33: 14, 63: 15, 64: 15, 65: 15} {
		if got := DLC(n); got != want {
			t.Errorf("DLC for %d bytes is %d, want %d", n, got, want)
		}
	}
}

func TestFramesThatNoBusCarriesAreNotValid(t *testing.T) {
	for _, c := range []struct {
		name  string
		frame Frame
	}{
		{"standard identifier of 12 bits", Frame{ID: 0x800}},
		{"extended identifier of 30 bits", Frame{ID: 1 << 29, Flags: Extended}},
		{"error classes of 30 bits", Frame{ID: 1 << 29, Flags: Error}},
		{"DLC of 5 bits", Frame{DLC: 16}},
		{"length beside the DLC", Frame{DLC: 4, Len: 3}},
		{"classic frame of 12 bytes", Frame{DLC: 9, Len: 12}},
		{"length beyond the data", Frame{Flags: FD, DLC: 15, Len: 65}},
		{"remote frame with data", Frame{Flags: Remote, DLC: 1, Len: 1}},
		{"remote FD frame", Frame{Flags: Remote | FD}},
		{"classic frame with BRS", Frame{Flags: BRS}},
		{"classic frame with ESI", Frame{Flags: ESI}},
		{"extended error message", Frame{Flags: Error | Extended}},
		{"FD error message", Frame{Flags: Error | FD}},
		{"error message with a raw DLC", Frame{Flags: Error, DLC: 9, Len: 8}},
		{"unknown flag", Frame{Flags: 1 << 7}},
		{"bytes behind the length", Frame{DLC: 1, Len: 1, Data: [MaxData]byte{1: 1}}},
	} {
		if c.frame.Valid() {
			t.Errorf("%s: valid", c.name)
		}
	}
}
