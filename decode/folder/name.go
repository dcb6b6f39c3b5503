package folder

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

const (
	longest = 100
	digits  = "0123456789ABCDEF"
)

// Name encodes a word for use as, or in, one element of a path.
func Name(word string) string {
	var b strings.Builder
	for i := range len(word) {
		c := word[i]
		if plain(c) || c == '.' && i > 0 && i < len(word)-1 {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	name := b.String()
	switch {
	case name == "":
		return "%"
	case reserved(name):
		return "%" + hexByte(name[0]) + name[1:]
	case len(name) > longest:
		sum := sha256.Sum256([]byte(word))
		return strings.TrimRight(name[:longest], "%.") + "~" + hex.EncodeToString(sum[:4])
	}
	return name
}

func plain(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-'
}

func hexByte(c byte) string { return string([]byte{digits[c>>4], digits[c&15]}) }

// reserved tells whether Windows takes a name for a device, with any ending.
func reserved(name string) bool {
	stem, _, _ := strings.Cut(strings.ToUpper(name), ".")
	switch stem {
	case "CON", "PRN", "AUX", "NUL":
		return true
	}
	return len(stem) == 4 && (stem[:3] == "COM" || stem[:3] == "LPT") && '0' <= stem[3] && stem[3] <= '9'
}
