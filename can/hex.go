package can

// Eight characters at a time in one machine word: a log of a day has a
// billion of them. Each reading function has a printing function beside it
// that is its inverse.

const (
	ones    = 0x0101010101010101 // one in each byte
	nibbles = 0x0f * ones
	zeros   = '0' * ones // the text "00000000"
)

// unhex reads eight hexadecimal digits of either case; the first character is
// the highest byte of text and the highest digit of v. bad is 0 if all are
// digits.
func unhex(text uint64) (v uint32, bad uint64) {
	text &^= text & (0x40 * ones) >> 1 // to upper case
	x := text&nibbles + 9*(text>>6&ones)
	bad = x&^nibbles | (ascii(x) ^ text) // digits print as the same text
	x = (x | x>>4) & 0x00ff00ff00ff00ff
	x = (x | x>>8) & 0x0000ffff0000ffff
	return uint32(x | x>>16), bad
}

// hex prints v as eight upper-case hexadecimal digits, the first one in the
// highest byte.
func hex(v uint32) (text uint64) {
	x := uint64(v)
	x = (x | x<<16) & 0x0000ffff0000ffff
	x = (x | x<<8) & 0x00ff00ff00ff00ff
	x = (x | x<<4) & nibbles
	return ascii(x)
}

// ascii turns the digit 0-15 in each byte into its character.
func ascii(digits uint64) uint64 {
	letters := (digits + 6*ones) >> 4 & ones
	return digits + zeros + letters*('A'-'9'-1)
}

// undecimal reads eight decimal digits; the first character is the lowest
// byte of text and the highest digit of v. bad is 0 if all are digits.
func undecimal(text uint64) (v uint32, bad uint64) {
	bad = ((text ^ zeros) | ((text + 6*ones) ^ zeros)) &^ nibbles
	x := text & nibbles
	x = (x*10 + x>>8) & 0x00ff00ff00ff00ff
	x = (x*100 + x>>16) & 0x0000ffff0000ffff
	return uint32(x*10000 + x>>32), bad
}

// decimal prints v, below 10^8, as eight decimal digits, the first one in the
// lowest byte. The multiplications divide by 100 and by 10 in every part of
// the word at once.
func decimal(v uint32) (text uint64) {
	x := uint64(v/10000) | uint64(v%10000)<<32
	hundreds := x * 10486 >> 20 & 0x0000007f0000007f
	x = hundreds | (x-100*hundreds)<<16
	tens := x * 103 >> 10 & 0x000f000f000f000f
	x = tens | (x-10*tens)<<8
	return x | zeros
}
