// Package mdfcheck is a strict judge of MDF 4.11 files: it walks every block
// and every record of a file and names what is not as it has to be. It was
// written from the description of the format (docs/formats.md, part B) and
// shares nothing with package mdf, so that one mistake cannot hide the other.
//
// # What is checked
//
//	identification   text, version, the flags of what is not finalised
//	blocks           alignment, identifier, length, number of links, overlaps, bytes that no link reaches
//	links            each leads to a block of a kind that may stand there; lists do not meet or loop
//	text             zero-terminated UTF-8, well-formed XML, the elements that HD, FH and SI need
//	groups           record ids, sizes, flags; a bus event has a source and its channel with the members readers ask for
//	channels         types, bits within the record and within the composition, one master of time, names
//	conversions      counts, ascending keys, one text per key and a default
//	data             lists, lengths, packed blocks, every record by its id; counts where the file calls them final
//
// Blocks that the description leaves out (CH, AT, EV, CA, SR, LD...) are
// problems. The offsets of VLSD channels are not followed.
package mdfcheck
