package text

import (
	"bufio"
	"io"
	"math/bits"
	"slices"
	"strconv"
	"time"

	"canseal/can"
)

// ASC writes a log as log2asc does.
type ASC struct {
	w     *bufio.Writer
	begin int64 // µs: time of the first frame
	begun bool
	heads [1 << headBits]ascHead

	second int64  // of the last time
	prefix []byte // "%4d." of it
}

// ascHead is what stands between time and data of a classical frame, which
// most frames share with one before.
type ascHead struct {
	key  uint64 // 0: none
	n    uint8
	text [39]byte
}

const headBits = 10

// NewASC makes an ASC log in w. Its head is written with the first frame.
func NewASC(w io.Writer) *ASC { return &ASC{w: bufio.NewWriterSize(w, 1<<16)} }

// Frame adds a frame. Times before that of the first frame are written as its.
func (a *ASC) Frame(e *can.Event) error {
	if !a.begun {
		if err := a.head(e.Time); err != nil {
			return err
		}
	}
	line := a.appendTime(a.w.AvailableBuffer(), max(0, micros(e.Time)-a.begin))
	if e.Frame.Is(can.FD) {
		line = appendASCFD(line, e)
	} else {
		line = a.appendClassic(line, e)
	}
	_, err := a.w.Write(append(line, '\n'))
	return err
}

// micros cuts a time to microseconds, downwards also before 1970.
func micros(ns int64) int64 {
	us := ns / 1000
	if ns%1000 < 0 {
		us--
	}
	return us
}

func (a *ASC) head(first int64) error {
	a.begun, a.begin = true, micros(first)
	date := time.Unix(0, first).UTC().Format("Mon Jan _2 15:04:05 2006")
	_, err := a.w.WriteString("date " + date + "\nbase hex  timestamps absolute\nno internal events logged\n")
	return err
}

// Close writes what is left; an empty log has a head alone.
func (a *ASC) Close() error {
	if !a.begun {
		if err := a.head(0); err != nil {
			return err
		}
	}
	return a.w.Flush()
}

// appendTime prints "%4d.%06d " of a time in µs.
func (a *ASC) appendTime(dst []byte, us int64) []byte {
	second := us / 1e6
	if second != a.second || a.prefix == nil {
		a.second, a.prefix = second, append(appendPadded(a.prefix[:0], second, 4), '.')
	}
	rest := uint32(us - second*1e6)
	dst = append(dst, a.prefix...)
	return append(append(append(dst, threes[rest/1000][:]...), threes[rest%1000][:]...), ' ')
}

// threes are the numbers to 999 as three digits.
var threes = func() (all [1000][3]byte) {
	for i := range all {
		putDigits(all[i][:], uint32(i))
	}
	return all
}()

// appendPadded prints a number right-aligned.
func appendPadded(dst []byte, n int64, width int) []byte {
	var digits [20]byte
	text := strconv.AppendInt(digits[:0], n, 10)
	dst = appendSpaces(dst, width-len(text))
	return append(dst, text...)
}

const spaces = "                                        "

func appendSpaces(dst []byte, n int) []byte { return append(dst, spaces[:max(0, n)]...) }

const hexDigits = "0123456789ABCDEF"

// appendASCID prints the identifier, and x behind one of 29 bits, else a blank.
func appendASCID(dst []byte, f *can.Frame) []byte {
	digits := max(1, (bits.Len32(f.ID)+3)/4)
	text := [9]byte{8: ' '}
	if f.Is(can.Extended) {
		text[8] = 'x'
	}
	for i, id := 7, f.ID; i >= 8-digits; i, id = i-1, id>>4 {
		text[i] = hexDigits[id&15]
	}
	return append(dst, text[8-digits:]...)
}

// cells are a blank and the digits of a byte; the fourth byte is for the next
// cell to overwrite.
var cells = func() (all [256][4]byte) {
	for i := range all {
		all[i] = [4]byte{' ', hexDigits[i>>4], hexDigits[i&15], ' '}
	}
	return all
}()

func appendASCData(dst []byte, data []byte) []byte {
	at := len(dst)
	dst = slices.Grow(dst, 3*len(data)+1)[:at+3*len(data)+1]
	for i, b := range data {
		*(*[4]byte)(dst[at+3*i:]) = cells[b]
	}
	return dst[:at+3*len(data)]
}

func direction(e *can.Event) string {
	if e.Dir == can.Rx {
		return "Rx"
	}
	return "Tx"
}

// appendClassic prints "%-2d %-15s Rx   d 8 ...".
func (a *ASC) appendClassic(dst []byte, e *can.Event) []byte {
	f := &e.Frame
	key := 1<<62 | uint64(f.ID) | uint64(f.Flags)<<32 | uint64(f.Len)<<40 | uint64(f.DLC&15)<<44 | uint64(e.Bus)<<48 | uint64(e.Dir)<<56
	head := &a.heads[key*0x9e3779b97f4a7c15>>(64-headBits)]
	if head.key != key {
		text := appendASCHead(head.text[:0], e)
		head.key, head.n = key, uint8(len(text))
	}
	dst = append(dst, head.text[:head.n]...)
	if f.Flags&(can.Error|can.Remote) != 0 {
		return dst
	}
	return appendASCData(dst, f.Payload())
}

// appendASCHead prints what stands before the data.
func appendASCHead(dst []byte, e *can.Event) []byte {
	f := &e.Frame
	at := len(dst)
	dst = strconv.AppendUint(dst, uint64(e.Bus), 10)
	dst = appendSpaces(dst, 3-(len(dst)-at))
	if f.Is(can.Error) {
		return append(dst, "ErrorFrame"...)
	}
	at = len(dst)
	dst = appendASCID(dst, f)
	dst = appendSpaces(dst, 15-(len(dst)-at))
	dst = append(append(append(dst, ' '), direction(e)...), "   "...)
	if f.Is(can.Remote) {
		return append(dst, 'r', ' ', '0'+min(f.DLC, 8))
	}
	return append(dst, 'd', ' ', '0'+f.Len)
}

// The bits of the flags at the end of a line of CAN FD.
const (
	ascFD  = 0x1000
	ascBRS = 0x2000
	ascESI = 0x4000
)

// appendASCFD prints "CANFD %3d Rx %11s", BRS, ESI, DLC, length, data, and
// what a log of CANoe has behind: durations that nobody knows, and flags.
func appendASCFD(dst []byte, e *can.Event) []byte {
	f := &e.Frame
	dst = appendPadded(append(dst, "CANFD "...), int64(e.Bus), 3)
	dst = append(append(append(dst, ' '), direction(e)...), ' ')
	var id [9]byte
	name := appendASCID(id[:0], f)
	dst = append(appendSpaces(dst, 11-len(name)), name...)
	dst = appendSpaces(dst, 34)
	flags := uint64(ascFD)
	brs, esi := byte('0'), byte('0')
	if f.Is(can.BRS) {
		brs, flags = '1', flags|ascBRS
	}
	if f.Is(can.ESI) {
		esi, flags = '1', flags|ascESI
	}
	dst = append(dst, brs, ' ', esi, ' ', "0123456789abcdef"[f.DLC&15], ' ')
	dst = appendASCData(appendPadded(dst, int64(f.Len), 2), f.Payload())
	dst = append(dst, "   130000  130     "...)
	return append(strconv.AppendUint(dst, flags, 16), " 0 0 0 0 0"...)
}
