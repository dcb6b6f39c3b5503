package text

import (
	"bufio"
	"encoding/hex"
	"io"
	"strconv"

	"canseal/can"
)

// RawHead is the first line of raw CSV.
const RawHead = "t,bus,id,extended,type,fd,brs,esi,dir,dlc,length,data,verdict,encrypted,clock\n"

// Raw writes a line for each frame.
type Raw struct {
	w     *bufio.Writer
	clock stamp
}

// NewRaw makes raw CSV in w.
func NewRaw(w io.Writer) (*Raw, error) {
	r := &Raw{w: bufio.NewWriterSize(w, 1<<16)}
	_, err := r.w.WriteString(RawHead)
	return r, err
}

// Frame adds a frame; clock says how far its time can be trusted.
func (r *Raw) Frame(e *can.Event, encrypted bool, clock string) error {
	f := &e.Frame
	dst := r.clock.append(r.w.AvailableBuffer(), e.Time)
	dst = append(dst, ',')
	dst = strconv.AppendUint(dst, uint64(e.Bus), 10)
	dst = append(dst, ',')
	dst = appendID(dst, f)
	dst = appendBit(dst, f.Is(can.Extended))
	dst = append(append(dst, ','), kind(f)...)
	dst = appendBit(appendBit(appendBit(dst, f.Is(can.FD)), f.Is(can.BRS)), f.Is(can.ESI))
	dst = append(append(append(dst, ','), direction(e)...), ',')
	dst = strconv.AppendUint(dst, uint64(f.DLC), 10)
	dst = append(dst, ',')
	dst = strconv.AppendUint(dst, uint64(f.Len), 10)
	dst = append(dst, ',')
	dst = hex.AppendEncode(dst, f.Payload())
	dst = append(append(dst, ','), e.Verdict.String()...)
	dst = appendBit(dst, encrypted)
	dst = append(append(append(dst, ','), clock...), '\n')
	_, err := r.w.Write(dst)
	return err
}

// Close writes what is left.
func (r *Raw) Close() error { return r.w.Flush() }

func appendBit(dst []byte, set bool) []byte {
	if set {
		return append(dst, ',', '1')
	}
	return append(dst, ',', '0')
}

func kind(f *can.Frame) string {
	switch {
	case f.Is(can.Error):
		return "error"
	case f.Is(can.Remote):
		return "remote"
	}
	return "data"
}

func appendID(dst []byte, f *can.Frame) []byte {
	shift := 8
	if f.Flags&(can.Extended|can.Error) != 0 {
		shift = 28
	}
	for ; shift >= 0; shift -= 4 {
		dst = append(dst, hexDigits[f.ID>>shift&15])
	}
	return dst
}
