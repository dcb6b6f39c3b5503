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
		at, want = parseFrame(line, at, &e.Frame)
	}
	if want == "" {
		at, want = parseDirection(line, at, &e.Dir)
	}
	if want != "" {
		*e = Event{}
		return nil, unexpected(line, at, want)
	}
	return iface, nil
}

// The parse functions begin at line[at] and return the place behind what they
// took, and what they wanted there instead if they are not content.

// lastSecond is the last whole second that an Event's Time can hold.
const lastSecond = (1<<63-1)/1_000_000_000 - 1

const wantTime = "a time before 2262-04-11"

// parseTime takes "(1735270496.916858)" in one go and leaves every other form
// to parseAnyTime.
func parseTime(line []byte, ns *int64) (at int, want string) {
	if len(line) < 19 || line[0] != '(' || line[11] != '.' || line[18] != ')' {
		return parseAnyTime(line, ns)
	}
	const six = 0xffffffffffff
	century, ok1 := undecimal(zeros&six | uint64(binary.LittleEndian.Uint16(line[1:]))<<48)
	seconds, ok2 := undecimal(binary.LittleEndian.Uint64(line[3:]))
	micros, ok3 := undecimal(binary.LittleEndian.Uint64(line[10:])&^0xffff | zeros&0xffff)
	if !ok1 || !ok2 || !ok3 {
		return parseAnyTime(line, ns)
	}
	s := int64(century)*1e8 + int64(seconds)
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
	for end < len(line) && line[end] > ' ' && line[end] != 0x7f {
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

func parseFrame(line []byte, at int, f *Frame) (next int, want string) {
	at, want = parseID(line, at, f)
	switch {
	case want != "":
		return at, want
	case has(line, at, '#'):
		return parseFD(line, at+1, f)
	case has(line, at, 'R'), has(line, at, 'r'):
		return parseRemote(line, at+1, f)
	}
	if at, want = parseData(line, at, f, 8); want != "" {
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
		id, ok := unhex(zeros&^0xffffff | uint64(binary.BigEndian.Uint32(line[at:])>>8))
		if f.ID = id; ok && id <= 0x7ff {
			return at + 4, ""
		}
	}
	if has(line, at+8, '#') {
		id, ok := unhex(binary.BigEndian.Uint64(line[at:]))
		if f.ID = id &^ errorFlag; ok && f.ID <= 0x1fffffff {
			f.Flags = Extended
			if id&errorFlag != 0 {
				f.Flags = Error
			}
			return at + 9, ""
		}
	}
	return at, "an identifier of 3 digits up to 7FF or 8 up to 3FFFFFFF, and #"
}

// parseData takes pairs of hexadecimal digits, up to limit bytes.
func parseData(line []byte, at int, f *Frame, limit int) (next int, want string) {
	n := 0
	for ; n+4 <= limit && at+8 <= len(line); n, at = n+4, at+8 {
		v, ok := unhex(binary.BigEndian.Uint64(line[at:]))
		if !ok {
			break
		}
		binary.BigEndian.PutUint32(f.Data[n:], v)
	}
	for ; n < limit && at+2 <= len(line); n, at = n+1, at+2 {
		v, ok := unhex(zeros&^0xffff | uint64(binary.BigEndian.Uint16(line[at:])))
		if !ok {
			break
		}
		f.Data[n] = byte(v)
	}
	f.Len = uint8(n)
	if at < len(line) && line[at] != ' ' && line[at] != '_' {
		return at, "pairs of hexadecimal digits, at most " + strconv.Itoa(limit)
	}
	return at, ""
}

// parseRawDLC takes "_9" to "_F" behind eight bytes or the length of a remote
// frame: a classic frame whose code on the wire was above 8.
func parseRawDLC(line []byte, at int, f *Frame) (next int, want string) {
	if !has(line, at, '_') {
		return at, ""
	}
	if f.DLC != 8 || f.Is(Error) {
		return at, "no raw DLC on such a frame"
	}
	if at+1 < len(line) {
		dlc, ok := unhex(zeros&^0xff | uint64(line[at+1]))
		if ok && dlc > 8 {
			f.DLC = uint8(dlc)
			return at + 2, ""
		}
	}
	return at + 1, "a raw DLC, 9-F"
}

func parseRemote(line []byte, at int, f *Frame) (next int, want string) {
	if f.Is(Error) {
		return at - 1, "data, as error messages have no remote form"
	}
	f.Flags |= Remote
	if at < len(line) && '0' <= line[at] && line[at] <= '8' {
		f.DLC = line[at] - '0'
		at++
	}
	return parseRawDLC(line, at, f)
}

func parseFD(line []byte, at int, f *Frame) (next int, want string) {
	if f.Is(Error) {
		return at - 1, "data, as error messages have no FD form"
	}
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
	if at, want = parseData(line, start, f, MaxData); want != "" {
		return at, want
	}
	if f.DLC = DLC(int(f.Len)); Length(f.DLC, true) != int(f.Len) {
		return start, "0-8, 12, 16, 20, 24, 32, 48 or 64 data bytes"
	}
	return at, ""
}

// parseDirection takes what candump -x adds, and nothing may follow.
func parseDirection(line []byte, at int, d *Direction) (next int, want string) {
	switch string(line[at:]) {
	case "", " R":
		return at, ""
	case " T":
		*d = Tx
		return at, ""
	}
	return at, "the end of the line, or a space and R or T"
}
