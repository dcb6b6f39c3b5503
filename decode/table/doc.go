// Package table is what goes into files: tables with typed columns, made of
// decoded messages, and of what stands beside them in a log.
//
//	Message    batches of one message               ─► rows, a column for each signal
//	Sides      frames that no DBC file knows        ─► canseal_unknown
//	           frames known to be missing           ─► canseal_gaps
//	           pending frames settled               ─► canseal_verdicts
//	           events of authentication             ─► canseal_security
//	           who sends what                       ─► canseal_senders
//	           links, controllers, recording...     ─► canseal_states
//	           plaintext of encrypted frames        ─► canseal_plain
//	           clock anchors                        ─► canseal_clocks
//	           records that hold no CAN frame: LIN  ─► canseal_raw
//
// # Columns of a message
//
//	t        time, UTC
//	t_ns     the same, ns since 1970: for formats whose times have microseconds
//	bus      from 1
//	id       identifier of the frame: with J1939 its last byte is the source
//	verdict  of its authentication, in words (can.Verdicts)
//	clock    how far t can be trusted: recorded, synchronised, corrected, unknown
//	missing  why signals of this row are null: encrypted, payload too short
//	...      the signals in the order of the DBC file
//
// A signal is null where its multiplexer selects another one; that is no
// reason to be told in "missing". A name that an earlier column has, in upper
// or lower case, gets a number behind it: "_2".
//
// # Bounds
//
// A column is made when it is asked for, in memory of whoever asks, so that a
// message with thousands of signals needs no more than one of them.
package table
