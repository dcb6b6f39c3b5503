package segment

import (
	"encoding/base64"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

func isHash(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

func isDevice(s string) bool {
	_, err := ParseDevice(s)
	return err == nil
}

func inRange(n uint32) bool { return n >= 1 && n <= maxNumber }

func isOneOf(s string, words ...string) bool { return slices.Contains(words, s) }

// isBase64 takes what encodes back to the same text.
func isBase64(s string) bool {
	bytes, err := base64.StdEncoding.Strict().DecodeString(s)
	return err == nil && len(s) <= maxLine/2 && base64.StdEncoding.EncodeToString(bytes) == s
}

func isMoment(t time.Time) bool {
	year := t.UTC().Year()
	return !t.IsZero() && year >= 1 && year <= 9999
}

// isText takes up to limit bytes of UTF-8 without control characters.
func isText(s string, limit int) bool {
	return len(s) <= limit && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}
