package buslog

import "encoding/binary"

// transpose makes rows of so many bytes of columns: byte 0 of all rows, then
// byte 1 of all rows, and so on. What is left behind the last whole row stands
// as it is.
func transpose(rows, columns []byte, width int) {
	n := len(columns) / width
	copy(rows[n*width:], columns[n*width:])
	if n == 0 {
		return // whatever the width says
	}
	squares, whole := width&^7, n&^7
	for at := 0; at < squares; at += 8 {
		for i := 0; i < whole; i += 8 {
			square(rows[i*width+at:], columns[at*n+i:], width, n)
		}
	}
	for at := range width {
		from := 0
		if at < squares {
			from = whole
		}
		for i := from; i < n; i++ {
			rows[i*width+at] = columns[at*n+i]
		}
	}
}

// square turns eight columns, n bytes apart, of eight rows.
func square(rows, columns []byte, width, n int) {
	var w [8]uint64
	for i := range w {
		w[i] = binary.LittleEndian.Uint64(columns[i*n:])
	}
	swap := func(i, j int, shift uint, low uint64) {
		w[i], w[j] = w[i]&low|w[j]&low<<shift, w[i]>>shift&low|w[j]&^low
	}
	for i := range 4 {
		swap(i, i+4, 32, 0x00000000FFFFFFFF)
	}
	for _, i := range [4]int{0, 1, 4, 5} {
		swap(i, i+2, 16, 0x0000FFFF0000FFFF)
	}
	for i := 0; i < 8; i += 2 {
		swap(i, i+1, 8, 0x00FF00FF00FF00FF)
	}
	for i := range w {
		binary.LittleEndian.PutUint64(rows[i*width:], w[i])
	}
}
