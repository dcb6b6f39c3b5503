package segment

import (
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"canseal/internal/durable"
)

const (
	logFolder = "LOG"
	sealFile  = "seal.log"
	extension = ".MF4"
	// maxNumber is the last SESSION and SPLIT that 8 digits can name.
	maxNumber = 99_999_999
)

// LastSession is the last number of a SESSION. A card that has it goes on in it.
const LastSession = uint32(maxNumber)

// Device is a DEVICEID: 8 upper-case hex digits.
type Device string

// ParseDevice takes exactly 8 upper-case hex digits.
func ParseDevice(s string) (Device, error) {
	if len(s) != 8 || strings.Trim(s, "0123456789ABCDEF") != "" {
		return "", fmt.Errorf("device id: found %.20q, wanted 8 upper-case hex digits", s)
	}
	return Device(s), nil
}

// Name is what a segment is called for its whole life. Both numbers are from 1
// to 99,999,999.
type Name struct {
	Session, Split uint32
}

// String is SESSION/SPLIT as on the card: 00000017/00000003.
func (n Name) String() string { return fmt.Sprintf("%08d/%08d", n.Session, n.Split) }

// Compare orders by SESSION, then SPLIT.
func (n Name) Compare(m Name) int {
	switch {
	case n.Session != m.Session:
		return cmpUint(n.Session, m.Session)
	default:
		return cmpUint(n.Split, m.Split)
	}
}

func cmpUint(a, b uint32) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// ParseName is the inverse of Name.String.
func ParseName(s string) (Name, error) {
	session, split, _ := strings.Cut(s, "/")
	n := Name{}
	var ok1, ok2 bool
	n.Session, ok1 = parseNumber(session)
	n.Split, ok2 = parseNumber(split)
	if !ok1 || !ok2 {
		return Name{}, fmt.Errorf("segment: found %.40q, wanted SESSION/SPLIT, 8 digits each, from 1", s)
	}
	return n, nil
}

// parseNumber takes exactly 8 decimal digits, not all zero.
func parseNumber(s string) (uint32, bool) {
	if len(s) != 8 || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err == nil && n > 0
}

// parseFile splits SPLIT.MF4SUFFIX.
func parseFile(s string) (split uint32, suffix Suffix, ok bool) {
	if len(s) < 8+len(extension) || s[8:8+len(extension)] != extension {
		return 0, "", false
	}
	split, ok = parseNumber(s[:8])
	suffix = Suffix(s[8+len(extension):])
	return split, suffix, ok && suffix.bit() != 0
}

// Card is the card of one device.
type Card struct {
	FS     durable.FS
	Device Device
}

// Folder is LOG/DEVICEID/SESSION.
func (c Card) Folder(session uint32) string {
	return path.Join(c.home(), fmt.Sprintf("%08d", session))
}

// home is LOG/DEVICEID.
func (c Card) home() string { return path.Join(logFolder, string(c.Device)) }

// Path is LOG/DEVICEID/SESSION/SPLIT.MF4 and the suffix.
func (c Card) Path(n Name, s Suffix) string {
	return path.Join(c.Folder(n.Session), fmt.Sprintf("%08d", n.Split)+extension+string(s))
}

// SealPath is the seal.log of a SESSION.
func (c Card) SealPath(session uint32) string {
	return path.Join(c.Folder(session), sealFile)
}

// Key is the object key of a segment: [prefix/]DEVICEID/SESSION/SPLIT-EPOCHHEX.MF4.
// SESSION is the number of the folder; EPOCHHEX are the whole seconds of start (HD
// start as recorded), 8 upper-case hex digits. It is fixed when the segment is
// sealed. start lies between 1970 and 2106.
func Key(prefix string, d Device, n Name, start time.Time) string {
	object := fmt.Sprintf("%08d-%08X%s", n.Split, uint32(start.Unix()), extension)
	return path.Join(prefix, string(d), fmt.Sprintf("%08d", n.Session), object)
}
