package socketcan

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/unix"

	"canseal/can"
)

// message builds a kernel message: the head of struct can_frame, and data.
func message(size int, id uint32, length, flags, dlc byte, data ...byte) []byte {
	b := make([]byte, size)
	binary.NativeEndian.PutUint32(b, id)
	b[4], b[5], b[7] = length, flags, dlc
	copy(b[8:], data)
	return b
}

func frame(id uint32, flags can.Flags, dlc uint8, data ...byte) can.Frame {
	f := can.Frame{ID: id, Flags: flags, DLC: dlc, Len: uint8(len(data))}
	copy(f.Data[:], data)
	return f
}

func TestDecode(t *testing.T) {
	eight := []byte{1, 2, 3, 4, 5, 6, 7, 8}
	twelve := append(eight[:8:8], 9, 10, 11, 12)
	for name, c := range map[string]struct {
		raw  []byte
		want can.Frame
	}{
		"classic":                        {message(16, 0x123, 2, 0, 0, 0xAA, 0xBB), frame(0x123, 0, 2, 0xAA, 0xBB)},
		"classic, 29 bits":               {message(16, 0x98DAF110, 0, 0, 0), frame(0x18DAF110, can.Extended, 0)},
		"classic, DLC above 8":           {message(16, 0x7FF, 8, 0, 15, eight...), frame(0x7FF, 0, 15, eight...)},
		"raw DLC without 8 bytes":        {message(16, 0x7FF, 7, 0, 15, eight...), frame(0x7FF, 0, 7, eight[:7]...)},
		"bytes behind the length":        {message(16, 0x1, 1, 0, 0, 1, 2, 3), frame(0x1, 0, 1, 1)},
		"remote has a DLC and no data":   {message(16, 0x40000123, 4, 0, 0, 1, 2, 3, 4), frame(0x123, can.Remote, 4)},
		"remote, 29 bits, DLC above 8":   {message(16, 0xC0000123, 8, 0, 9), frame(0x123, can.Remote|can.Extended, 9)},
		"FD":                             {message(72, 0x123, 12, 4, 0, twelve...), frame(0x123, can.FD, 9, twelve...)},
		"FD with BRS and ESI":            {message(72, 0x80000123, 0, 7, 0), frame(0x123, can.FD|can.BRS|can.ESI|can.Extended, 0)},
		"FD length between two codes":    {message(72, 0x1, 10, 4, 0, twelve[:10]...), frame(0x1, can.FD, 9, append(twelve[:10:10], 0, 0)...)},
		"FD with flags of later kernels": {message(72, 0x1, 1, 0xF8, 0, 1), frame(0x1, can.FD, 1, 1)},
		"error message has 8 bytes":      {message(16, 0x20000204, 3, 0, 0, 0, 4, 0), frame(0x204, can.Error, 8, 0, 4, 0, 0, 0, 0, 0, 0)},
	} {
		t.Run(name, func(t *testing.T) {
			var got can.Frame
			if !decode(c.raw, &got) || got != c.want {
				t.Fatalf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestDecodeLeavesOut(t *testing.T) {
	for name, raw := range map[string][]byte{
		"nothing":                             {},
		"cut":                                 message(16, 1, 0, 0, 0)[:15],
		"classic with 9 bytes":                message(16, 1, 9, 0, 0),
		"FD with 65 bytes":                    message(72, 1, 65, 0, 0),
		"CAN XL, flag in place of the length": message(72, 1, 0x80, 0, 0),
		"FD error message":                    message(72, unix.CAN_ERR_FLAG, 8, 0, 0),
	} {
		var f can.Frame
		if decode(raw, &f) {
			t.Errorf("%s: taken as %+v", name, f)
		}
	}
}

// randomFrame makes every kind of frame a wire carries, and error messages.
func randomFrame(r *rand.Rand) can.Frame {
	f := can.Frame{ID: r.Uint32N(1 << 11), DLC: uint8(r.UintN(16))}
	switch r.IntN(5) {
	case 0:
		f.Flags = can.Remote
	case 1:
		f.Flags, f.DLC = can.Error, 8
	case 2, 3:
		f.Flags = can.FD | []can.Flags{0, can.BRS, can.ESI, can.BRS | can.ESI}[r.IntN(4)]
	}
	if r.IntN(2) == 0 && !f.Is(can.Error) {
		f.ID, f.Flags = r.Uint32N(1<<29), f.Flags|can.Extended
	}
	if !f.Is(can.Remote) {
		f.Len = uint8(can.Length(f.DLC, f.Is(can.FD)))
	}
	for i := range f.Len {
		f.Data[i] = byte(r.Uint32())
	}
	return f
}

func TestEncodeIsTheInverseOfDecode(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		var raw [fdSize]byte
		f := randomFrame(r)
		n := encode(&f, &raw)
		var back can.Frame
		if n == 0 || !decode(raw[:n], &back) || back != f {
			t.Fatalf("%+v came back as %+v (%d bytes)", f, back, n)
		}
	}
}

func TestEncodeRefusesWhatNoWireCarries(t *testing.T) {
	for name, f := range map[string]can.Frame{
		"12 bits":              {ID: 0x800},
		"30 bits":              {ID: 1 << 29, Flags: can.Extended},
		"length beyond DLC":    frame(1, 0, 1, 1, 2),
		"classic with 9 bytes": {DLC: 9, Len: 9},
		"FD with 9 bytes":      {Flags: can.FD, DLC: 9, Len: 9},
		"FD remote":            {Flags: can.FD | can.Remote},
		"remote with data":     frame(1, can.Remote, 1, 1),
		"BRS without FD":       {Flags: can.BRS},
		"DLC 16":               {Flags: can.FD, DLC: 16},
	} {
		var raw [fdSize]byte
		if n := encode(&f, &raw); n != 0 {
			t.Errorf("%s: %d bytes", name, n)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(message(16, 0x123, 2, 0, 0, 0xAA, 0xBB))
	f.Add(message(72, 0x123, 12, 7, 0))
	f.Add(message(72, 0x123, 10, 4, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		var got, again can.Frame
		if !decode(b, &got) {
			return
		}
		for _, rest := range got.Data[got.Len:] {
			if rest != 0 {
				t.Fatalf("%x: bytes behind the length: %+v", b, got)
			}
		}
		var raw [fdSize]byte
		n := encode(&got, &raw)
		if !got.Valid() || n == 0 || !decode(raw[:n], &again) || again != got {
			t.Fatalf("%x: %+v, again %+v", b, got, again)
		}
	})
}
