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

// decodeText returns the text as UTF-8 and tells what it was: UTF-8 if it is
// valid, with or without a mark in front, else cp1252.
func decodeText(text []byte) (s, encoding string) {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	if utf8.Valid(text) {
		return string(text), "utf-8"
	}
	var b strings.Builder
	b.Grow(len(text) + len(text)/16)
	for _, c := range text {
		switch {
		case 0x80 <= c && c < 0xa0:
			b.WriteRune(high[c-0x80])
		default:
			b.WriteRune(rune(c))
		}
	}
	return b.String(), "cp1252"
}
