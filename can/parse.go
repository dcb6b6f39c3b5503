package can

import (
	"encoding/binary"
	"fmt"
	"strconv"
)

// ParseError says where a line of candump text is wrong.
type ParseError struct {
	Line   int    // from 1; 0: the line was given alone
	Column int    // from 1, in bytes
	Want   string // what may stand there
	Got    string // what stands there: quoted text, or "the end of the line"
}

func (e *ParseError) Error() string {
	place := "column " + strconv.Itoa(e.Column)
	if e.Line > 0 {
		place = "line " + strconv.Itoa(e.Line) + ", " + place
	}
	return fmt.Sprintf("candump text, %s: want %s, got %s", place, e.Want, e.Got)
}

// unexpected makes the error for line[at:], of which it shows a few bytes.
func unexpected(line []byte, at int, want string) *ParseError {
	got := "the end of the line"
	if at < len(line) {
		got = strconv.QuoteToASCII(string(line[at:min(at+16, len(line))]))
	}
	return &ParseError{Column: at + 1, Want: want, Got: got}
}

// ParseCandump reads one line of a candump log, without its line end, into e
// and returns the name of the interface, a part of line. All fields of e are
// set; Bus is 0. The error is a *ParseError; e is the zero Event then.
//
// It reads whatever AppendCandump writes, and the variants listed in the
// package's manual. It allocates nothing but errors.
func ParseCandump(line []byte, e *Event) (iface []byte, err error) {
	*e = Event{}
	at, want := parseTime(line, &e.Time)
	if want == "" {
		iface, at, want = parseName(line, at)
	}
	if want == "" {
		at, want = parseFrame(cutDirection(line, &e.Dir), at, &e.Frame)
	}
	if want != "" {
		*e = Event{}
		return nil, unexpected(line, at, want)
	}
	return iface, nil
}

// The parse functions begin at line[at]. They return the place behind what
// they took or, with what they wanted, the place where that is missing.

// lastSecond is the last whole second that an Event's Time can hold.
const lastSecond = (1<<63-1)/1_000_000_000 - 1

const wantTime = "a time before 2262-04-11"

// parseTime takes "(1735270496.916858)" in one go and leaves every other form
// to parseAnyTime.
func parseTime(line []byte, ns *int64) (at int, want string) {
	if len(line) < 19 || line[0] != '(' || line[11] != '.' || line[18] != ')' {
		return parseAnyTime(line, ns)
	}
	tens, units := line[1]-'0', line[2]-'0' // of 10^8 seconds
	seconds, bad1 := undecimal(binary.LittleEndian.Uint64(line[3:]))
	micros, bad2 := undecimal(binary.LittleEndian.Uint64(line[10:])&^0xffff | zeros&0xffff)
	if tens > 9 || units > 9 || bad1|bad2 != 0 {
		return parseAnyTime(line, ns)
	}
	s := (int64(tens)*10+int64(units))*1e8 + int64(seconds)
	if s > lastSecond {
		return 1, wantTime
	}
	*ns = s*1e9 + int64(micros)*1e3
	return 19, ""
}

// parseAnyTime takes one to ten digits of seconds, and six or nine behind the
// point.
func parseAnyTime(line []byte, ns *int64) (at int, want string) {
	if !has(line, 0, '(') {
		return 0, "( and a time"
	}
	seconds, at := parseNumber(line, 1, 10)
	switch {
	case at == 1 || !has(line, at, '.'):
		return at, "one to ten digits of seconds and a point"
	case seconds > lastSecond:
		return 1, wantTime
	}
	point := at
	fraction, at := parseNumber(line, point+1, 9)
	switch at - point {
	case 1 + 6:
		fraction *= 1000
	case 1 + 9:
	default:
		return at, "six or nine digits behind the point"
	}
	if !has(line, at, ')') {
		return at, ") behind the time"
	}
	*ns = seconds*1e9 + fraction
	return at + 1, ""
}

func parseNumber(line []byte, at, most int) (v int64, next int) {
	for end := min(at+most, len(line)); at < end && '0' <= line[at] && line[at] <= '9'; at++ {
		v = v*10 + int64(line[at]-'0')
	}
	return v, at
}

// parseName takes the interface and the spaces around it; candump pads short
// names on the left.
func parseName(line []byte, at int) (name []byte, next int, want string) {
	begin := skipSpaces(line, at)
	if begin == at {
		return nil, at, "a space and the interface"
	}
	end := begin
	for end < len(line) && line[end] > ' ' {
		end++
	}
	next = skipSpaces(line, end)
	if end == begin {
		return nil, end, "the interface"
	}
	if next == end {
		return nil, end, "a space and the frame"
	}
	return line[begin:end], next, ""
}

func skipSpaces(line []byte, at int) int {
	for has(line, at, ' ') {
		at++
	}
	return at
}

// has reports whether c stands at line[at].
func has(line []byte, at int, c byte) bool { return at < len(line) && line[at] == c }

// cutDirection cuts off what candump -x adds.
func cutDirection(line []byte, d *Direction) []byte {
	end := len(line) - 2
	if end < 0 || line[end] != ' ' {
		return line
	}
	switch line[end+1] {
	case 'T':
		*d = Tx
	case 'R':
	default:
		return line
	}
	return line[:end]
}

// parseFrame takes all the rest of the line.
func parseFrame(line []byte, at int, f *Frame) (next int, want string) {
	if at, want = parseID(line, at, f); want != "" {
		return at, want
	}
	if at < len(line) && !f.Is(Error) {
		switch line[at] {
		case '#':
			return parseFD(line, at+1, f)
		case 'R', 'r':
			return parseRemote(line, at+1, f)
		}
	}
	if at, want = parseData(line[:min(at+2*8, len(line))], at, f); want != "" {
		return at, want
	}
	f.DLC = f.Len
	return parseRawDLC(line, at, f)
}

// parseID takes an identifier and the # behind it. Three digits are a
// standard identifier, eight an extended one or, with CAN_ERR_FLAG, the
// classes of an error message.
func parseID(line []byte, at int, f *Frame) (next int, want string) {
	if has(line, at+3, '#') {
		id, bad := unhex(zeros&^0xffffff | uint64(binary.BigEndian.Uint32(line[at:])>>8))
		if f.ID = id; bad == 0 && id <= 0x7ff {
			return at + 4, ""
		}
	} else if has(line, at+8, '#') {
		id, bad := unhex(binary.BigEndian.Uint64(line[at:]))
		f.ID, f.Flags = id&^errorFlag, Extended
		if id&errorFlag != 0 {
			f.Flags = Error
		}
		if bad == 0 && f.ID <= 0x1fffffff {
			return at + 9, ""
		}
	}
	return at, "an identifier of 3 digits up to 7FF or 8 up to 3FFFFFFF, and #"
}

// parseData takes line[at:], which is pairs of digits and at most 64 bytes.
func parseData(line []byte, at int, f *Frame) (next int, want string) {
	text, n, bad := line[at:], 0, uint64(0)
	f.Len = uint8(len(text) / 2)
	for ; len(text) >= 16; n, text = n+8, text[16:] {
		high, bad1 := unhex(binary.BigEndian.Uint64(text))
		low, bad2 := unhex(binary.BigEndian.Uint64(text[8:]))
		binary.BigEndian.PutUint64(f.Data[n:], uint64(high)<<32|uint64(low))
		bad |= bad1 | bad2
	}
	for ; len(text) >= 2; n, text = n+1, text[2:] {
		v, bad1 := unhex(zeros&^0xffff | uint64(binary.BigEndian.Uint16(text)))
		f.Data[n] = byte(v)
		bad |= bad1
	}
	if bad != 0 || len(text) > 0 {
		return badPair(line, at), "pairs of hexadecimal digits"
	}
	return len(line), ""
}

// badPair returns the place of the first pair that is not of digits, or not a
// pair.
func badPair(line []byte, at int) int {
	for ; at+2 <= len(line); at += 2 {
		if _, bad := unhex(zeros&^0xffff | uint64(binary.BigEndian.Uint16(line[at:]))); bad != 0 {
			break
		}
	}
	return at
}

// parseRawDLC takes "_9" to "_F" behind eight bytes or the length of a remote
// frame: a classic frame whose code on the wire was above 8. Nothing else may
// stand there.
func parseRawDLC(line []byte, at int, f *Frame) (next int, want string) {
	if at == len(line) {
		return at, ""
	}
	if line[at] != '_' || f.DLC != 8 || f.Is(Error) {
		return at, "the end of the frame"
	}
	if at+2 == len(line) {
		if dlc, bad := unhex(zeros&^0xff | uint64(line[at+1])); bad == 0 && dlc > 8 {
			f.DLC = uint8(dlc)
			return at + 2, ""
		}
	}
	return at + 1, "a raw DLC, 9-F, and the end of the frame"
}

func parseRemote(line []byte, at int, f *Frame) (next int, want string) {
	f.Flags |= Remote
	if at < len(line) && '0' <= line[at] && line[at] <= '8' {
		f.DLC = line[at] - '0'
		at++
	}
	return parseRawDLC(line, at, f)
}

func parseFD(line []byte, at int, f *Frame) (next int, want string) {
	if at == len(line) || line[at] < '0' || line[at] > '7' {
		return at, "a digit of FD flags, 0-7"
	}
	f.Flags |= FD
	if line[at]&digitBRS != 0 {
		f.Flags |= BRS
	}
	if line[at]&digitESI != 0 {
		f.Flags |= ESI
	}
	start := at + 1
	if len(line) > start+2*MaxData {
		return start + 2*MaxData, "the end of the frame, as 64 bytes are the most"
	}
	if at, want = parseData(line, start, f); want != "" {
		return at, want
	}
	if f.DLC = DLC(int(f.Len)); Length(f.DLC, true) != int(f.Len) {
		return start, "0-8, 12, 16, 20, 24, 32, 48 or 64 bytes"
	}
	return at, ""
}
