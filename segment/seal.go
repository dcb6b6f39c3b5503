package segment

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

const (
	// sealTime always writes 9 digits.
	sealTime = "2006-01-02T15:04:05.000000000Z"
	// maxLine bounds one line of seal.log; 940 bytes are usual with a signature.
	maxLine = 8 << 10
)

// FirstPrev is the Prev of the first seal record ever: 64 zeros.
const FirstPrev = "0000000000000000000000000000000000000000000000000000000000000000"

// SealLine is one line of seal.log (docs/formats.md C7; the form is drawn in the
// package documentation).
type SealLine struct {
	Device  Device
	Session uint32    // of the header; the folder's is another after renumbering
	Split   uint32    //
	Start   time.Time // HD start
	First   time.Time // of the first frame record; zero: there is none
	Last    time.Time // of the last frame record; zero: there is none
	Form    string    // raw: finished, unsorted; dz: sorted, compressed
	Size    int64     // bytes
	SHA256  string    // of the file, 64 lower-case hex digits
	Frames  uint64    // records of rid 1-6
	Gaps    uint64    // records of rid 7
	Lost    uint64    // sum of their Count
	End     string    // orderly or cut
	Clock   string    // synchronised, unsynchronised, below_floor: the worst in the segment
	Late    bool      // made at boot: from the rename to this line nobody watched the file
	Dropped uint64    // unsent segments deleted by this device so far
	Config  string    // SHA-256 of the configuration in force
	Prev    string    // Hash of the line before; FirstPrev for the first ever
	Key     string    // SHA-256 of the key's SubjectPublicKeyInfo; empty: not signed
	Sig     string    // standard base64 of the signature over SignedBytes

	// Raw is the line as it was read, with its line end; nil for one made here.
	// It alone is hashed and compared: nothing is ever encoded again.
	Raw []byte
}

// Encode is the line with its line end: Raw, or for a line made here its one form.
func (s SealLine) Encode() []byte {
	if s.Raw != nil {
		return s.Raw
	}
	line := s.head()
	if s.Sig != "" {
		line = append(line, `,"sig":"`+s.Sig+`"`...)
	}
	return append(line, "}\n"...)
}

// SignedBytes is what the signature covers: the line before `,"sig":`.
func (s SealLine) SignedBytes() []byte {
	if s.Raw == nil {
		return s.head()
	}
	before, _, _ := strings.Cut(strings.TrimSuffix(string(s.Raw), "}\n"), `,"sig":`)
	return []byte(before)
}

// Hash is the SHA-256 of the line with its line end: the Prev of the next.
func (s SealLine) Hash() string {
	sum := sha256.Sum256(s.Encode())
	return hex.EncodeToString(sum[:])
}

func (s SealLine) head() []byte {
	line := fmt.Appendf(make([]byte, 0, 1024),
		`{"v":1,"device":"%s","session":%d,"split":%d,"start":"%s","first":"%s","last":"%s","form":"%s",`+
			`"size":%d,"sha256":"%s","frames":%d,"gaps":%d,"lost":%d,"end":"%s","clock":"%s","late":%t,`+
			`"dropped":%d,"config":"%s","prev":"%s"`,
		s.Device, s.Session, s.Split, moment(s.Start), moment(s.First), moment(s.Last), s.Form,
		s.Size, s.SHA256, s.Frames, s.Gaps, s.Lost, s.End, s.Clock, s.Late, s.Dropped, s.Config, s.Prev)
	if s.Key != "" {
		line = append(line, `,"key":"`+s.Key+`"`...)
	}
	return line
}

func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(sealTime)
}

// Check tells the first field that a line must not have so.
func (s SealLine) Check() error {
	for _, rule := range []struct {
		ok    bool
		field string
		found any
		want  string
	}{
		{isDevice(string(s.Device)), "device", s.Device, "8 upper-case hex digits"},
		{inRange(s.Session), "session", s.Session, "1 to 99999999"},
		{inRange(s.Split), "split", s.Split, "1 to 99999999"},
		{isMoment(s.Start), "start", s.Start, "a time of the years 1 to 9999"},
		{s.First.IsZero() || isMoment(s.First), "first", s.First, "a time, or none"},
		{s.Last.IsZero() || isMoment(s.Last), "last", s.Last, "a time, or none"},
		{isOneOf(s.Form, "raw", "dz"), "form", s.Form, "raw or dz"},
		{s.Size >= 0, "size", s.Size, "bytes"},
		{isHash(s.SHA256), "sha256", s.SHA256, "64 lower-case hex digits"},
		{isOneOf(s.End, "orderly", "cut"), "end", s.End, "orderly or cut"},
		{isOneOf(s.Clock, "synchronised", "unsynchronised", "below_floor"), "clock", s.Clock, "synchronised, unsynchronised or below_floor"},
		{isHash(s.Config), "config", s.Config, "64 lower-case hex digits"},
		{isHash(s.Prev), "prev", s.Prev, "64 lower-case hex digits"},
		{(s.Key == "") == (s.Sig == ""), "sig", s.Sig, "key and signature together"},
		{s.Key == "" || isHash(s.Key), "key", s.Key, "64 lower-case hex digits"},
		{s.Sig == "" || isBase64(s.Sig), "sig", s.Sig, "standard base64"},
	} {
		if !rule.ok {
			return fmt.Errorf("seal record: %s: found %.80v, wanted %s", rule.field, rule.found, rule.want)
		}
	}
	return nil
}
