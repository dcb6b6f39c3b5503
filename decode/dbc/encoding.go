package dbc

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// high are the characters of the bytes 80 to 9F in cp1252. The five bytes
// without one become the control characters of their numbers.
var high = [32]rune{
	'€', 0x81, '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', 0x8d, 'Ž', 0x8f,
	0x90, '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', 0x9d, 'ž', 'Ÿ',
}

// Encoding says how the bytes of a file are characters.
type Encoding string

const (
	Detect Encoding = ""      // UTF-8 if it is valid, else cp1252
	UTF8   Encoding = "utf-8" // what is not valid becomes U+FFFD
	CP1252 Encoding = "cp1252"
)

// decodeText returns the text as UTF-8, without a byte order mark, and tells
// what it was.
func decodeText(text []byte, encoding Encoding) (string, Encoding) {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	valid := utf8.Valid(text)
	switch {
	case encoding == CP1252, encoding == Detect && !valid:
		return fromCP1252(text), CP1252
	case !valid:
		return strings.ToValidUTF8(string(text), "\ufffd"), UTF8
	}
	return string(text), UTF8
}

func fromCP1252(text []byte) string {
	var b strings.Builder
	b.Grow(len(text) + len(text)/16)
	for _, c := range text {
		if 0x80 <= c && c < 0xa0 {
			b.WriteRune(high[c-0x80])
		} else {
			b.WriteRune(rune(c))
		}
	}
	return b.String()
}
