package mdf

import "encoding/binary"

// Rows are records with their id in front; columns are the bytes of the
// records without it: byte 0 of all rows, then byte 1 of all rows, and so on.
// Turned so, neighbouring bytes are alike, and deflate finds them.

// toColumns turns rows of 1 + width bytes into columns.
func toColumns(columns, rows []byte, width int) {
	stride := 1 + width
	n := len(rows) / stride
	whole := n &^ 7
	for at := 0; at+8 <= width; at += 8 {
		for i := 0; i < whole; i += 8 {
			from := rows[i*stride+1+at:]
			a, b, c, d, e, f, g, h := turn(
				word(from), word(from[stride:]), word(from[2*stride:]), word(from[3*stride:]),
				word(from[4*stride:]), word(from[5*stride:]), word(from[6*stride:]), word(from[7*stride:]))
			to := columns[at*n+i:]
			setWord(to, a)
			setWord(to[n:], b)
			setWord(to[2*n:], c)
			setWord(to[3*n:], d)
			setWord(to[4*n:], e)
			setWord(to[5*n:], f)
			setWord(to[6*n:], g)
			setWord(to[7*n:], h)
		}
	}
	eachRest(n, width, func(row, at int) { columns[at*n+row] = rows[row*stride+1+at] })
}

// toRows is the inverse of toColumns; it leaves the first byte of each row.
func toRows(rows, columns []byte, width int) {
	stride := 1 + width
	n := len(rows) / stride
	whole := n &^ 7
	for at := 0; at+8 <= width; at += 8 {
		for i := 0; i < whole; i += 8 {
			from := columns[at*n+i:]
			a, b, c, d, e, f, g, h := turn(
				word(from), word(from[n:]), word(from[2*n:]), word(from[3*n:]),
				word(from[4*n:]), word(from[5*n:]), word(from[6*n:]), word(from[7*n:]))
			to := rows[i*stride+1+at:]
			setWord(to, a)
			setWord(to[stride:], b)
			setWord(to[2*stride:], c)
			setWord(to[3*stride:], d)
			setWord(to[4*stride:], e)
			setWord(to[5*stride:], f)
			setWord(to[6*stride:], g)
			setWord(to[7*stride:], h)
		}
	}
	eachRest(n, width, func(row, at int) { rows[row*stride+1+at] = columns[at*n+row] })
}

// eachRest visits what stands outside the squares of 8 by 8 bytes.
func eachRest(rows, width int, do func(row, at int)) {
	for at := range width {
		first := rows &^ 7
		if at >= width&^7 {
			first = 0
		}
		for row := first; row < rows; row++ {
			do(row, at)
		}
	}
}

func word(b []byte) uint64       { return binary.LittleEndian.Uint64(b) }
func setWord(b []byte, v uint64) { binary.LittleEndian.PutUint64(b, v) }

// turn transposes a square of 8 by 8 bytes, one little-endian word a row: it
// swaps across the diagonal quarters of 4 by 4, then of 2 by 2, then bytes.
func turn(a, b, c, d, e, f, g, h uint64) (_, _, _, _, _, _, _, _ uint64) {
	const low4, low2, low1 = 0x00000000FFFFFFFF, 0x0000FFFF0000FFFF, 0x00FF00FF00FF00FF
	a, e = a&low4|e<<32, a>>32|e&^low4
	b, f = b&low4|f<<32, b>>32|f&^low4
	c, g = c&low4|g<<32, c>>32|g&^low4
	d, h = d&low4|h<<32, d>>32|h&^low4

	a, c = a&low2|c&low2<<16, a>>16&low2|c&^low2
	b, d = b&low2|d&low2<<16, b>>16&low2|d&^low2
	e, g = e&low2|g&low2<<16, e>>16&low2|g&^low2
	f, h = f&low2|h&low2<<16, f>>16&low2|h&^low2

	a, b = a&low1|b&low1<<8, a>>8&low1|b&^low1
	c, d = c&low1|d&low1<<8, c>>8&low1|d&^low1
	e, f = e&low1|f&low1<<8, e>>8&low1|f&^low1
	g, h = g&low1|h&low1<<8, g>>8&low1|h&^low1
	return a, b, c, d, e, f, g, h
}
