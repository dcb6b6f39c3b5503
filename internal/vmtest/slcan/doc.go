// Package slcan is the far end of a serial CAN adapter, played by a test: the
// kernel's slcan driver on a pseudo terminal has all that a controller has,
// bit rates, listen-only mode, error messages and bus-off included. It needs
// root and the kernel's slcan module, as a guest of vmtest has them.
//
// The driver and the adapter speak LAWICEL text, lines that end in CR:
//
//	driver says          means
//	C, S6, O             closed, 500 kbit/s, opened
//	L                    opened in listen-only mode
//	t3213010203          send 321 with 3 bytes
//
//	adapter says         means
//	t1232AABB            123 with 2 bytes came from the bus
//	T18DAF1101AA         the same with 29 bits
//	e1a, e3bcO           1 error: acknowledge; 3: bit, CRC, send overflow
//	e2fs, e1o            form and stuff error; receive overflow
//	sa000000             error active; three digits each: receive and send counter
//	sw100096             error warning
//	sp010200             error passive
//	sb256256             bus-off
package slcan
