package text

import "time"

// stamp prints times; the date and the second of the last one are kept.
type stamp struct {
	second int64
	text   []byte // "2006-01-02T15:04:05."
}

// append prints a time in ns since 1970 as RFC 3339 in UTC with nine digits.
func (s *stamp) append(dst []byte, ns int64) []byte {
	second, rest := ns/1e9, ns%1e9
	if rest < 0 {
		second, rest = second-1, rest+1e9
	}
	if s.text == nil || second != s.second {
		s.second = second
		s.text = time.Unix(second, 0).UTC().AppendFormat(s.text[:0], "2006-01-02T15:04:05.")
	}
	text := [10]byte{9: 'Z'}
	putDigits(text[:9], uint32(rest))
	return append(append(dst, s.text...), text[:]...)
}

// putDigits fills dst with the digits of n, zeros in front.
func putDigits(dst []byte, n uint32) {
	for i := len(dst) - 1; i >= 0; i-- {
		dst[i] = '0' + byte(n%10)
		n /= 10
	}
}
