package mdf

import (
	"cmp"
	"slices"

	"canseal/can"
)

// Record ids. 0 is never used, so that a tail of zeros ends a walk.
const (
	ridData8 uint8 = 1 + iota
	ridData16
	ridData32
	ridData64
	ridRemote
	ridError
	ridGap
	ridVerdict
	ridClock
	ridState
	ridSecurity
	ridSender
	ridPlain
	ridMark
	ridEnd // one behind the last
)

// Positions in the head of a frame record: bits of the little-endian u64 at
// byte headAt. One set of numbers serves the table, the writer and the reader.
const (
	headAt  = 8
	dataAt  = 16
	classAt = 8 // rid 6: ErrorClass

	idShift        = 0
	otherTxShift   = 30
	ideShift       = 31
	busShift       = 32
	dlcShift       = 40
	dirShift       = 44
	edlShift       = 45
	brsShift       = 46
	esiShift       = 47
	lengthShift    = 48
	encryptedShift = 55
	verdictShift   = 56

	idMask = 1<<29 - 1
)

// kind is the data type of a channel, by MDF's numbers.
type kind uint8

const (
	unsigned kind = 0
	signed   kind = 2
	instant  kind = 4 // f64, ns since the start of the file
	octets   kind = 10
)

// field is a channel of a record.
type field struct {
	name  string
	at    int // byte, from the start of the record without its id
	bit   int // 0-7
	bits  int
	kind  kind
	unit  string
	codes []code
}

// code is a row of a value-to-text table.
type code struct {
	value uint64
	text  string
}

// group is the layout of the records of one id. Every record begins with the
// Timestamp; fields are what follows.
type group struct {
	rid     uint8
	name    string // acquisition name
	channel string // channel the fields are members of; empty: they stand alone
	size    int    // bytes without id
	fields  []field
}

// groups are all layouts in the order of their record ids.
var groups = []group{
	{ridData8, "CAN_DataFrame", "CAN_DataFrame", dataAt + 8, dataFields(8)},
	{ridData16, "CAN_DataFrame_FD16", "CAN_DataFrame", dataAt + 16, dataFields(16)},
	{ridData32, "CAN_DataFrame_FD32", "CAN_DataFrame", dataAt + 32, dataFields(32)},
	{ridData64, "CAN_DataFrame_FD64", "CAN_DataFrame", dataAt + 64, dataFields(64)},
	{ridRemote, "CAN_RemoteFrame", "CAN_RemoteFrame", 16, []field{
		head("ID", idShift, 29),
		head("OtherTx", otherTxShift, 1),
		head("IDE", ideShift, 1),
		head("BusChannel", busShift, 8),
		head("DLC", dlcShift, 4),
		head("Dir", dirShift, 1),
		head("DataLength", lengthShift, 7),
		head("AuthVerdict", verdictShift, 8).coded(listed(can.Verdicts)),
	}},
	{ridError, "CAN_ErrorFrame", "CAN_ErrorFrame", dataAt + 8, []field{
		head("ErrorClass", 0, 32),
		head("BusChannel", busShift, 8),
		head("ErrorType", dlcShift, 4).coded(listed(ErrorTypes)),
		head("Dir", dirShift, 1),
		{name: "ErrorData", at: dataAt, bits: 64, kind: octets},
	}},
	{ridGap, "CANseal_Gap", "", 40, []field{
		{name: "From", at: 8, bits: 64, kind: instant},
		{name: "To", at: 16, bits: 64, kind: instant},
		{name: "Count", at: 24, bits: 64},
		{name: "Bus", at: 32, bits: 8},
		{name: "Reason", at: 33, bits: 8, codes: mapped(can.Reasons)},
		{name: "AtLeast", at: 34, bits: 1},
	}},
	{ridVerdict, "CANseal_Verdict", "", 32, []field{
		{name: "From", at: 8, bits: 64, kind: instant},
		{name: "To", at: 16, bits: 64, kind: instant},
		{name: "ID", at: 24, bits: 29},
		{name: "IDE", at: 27, bit: 7, bits: 1},
		{name: "Bus", at: 28, bits: 8},
		{name: "Sender", at: 29, bits: 8},
		{name: "Scope", at: 30, bits: 8, codes: listed(Scopes)},
		{name: "Verdict", at: 31, bits: 8, codes: listed(can.Verdicts)},
	}},
	{ridClock, "CANseal_Clock", "", 32, []field{
		{name: "Boot", at: 8, bits: 64, unit: "ns"},
		{name: "Wall", at: 16, bits: 64, kind: signed, unit: "ns"},
		{name: "Error", at: 24, bits: 32, unit: "us"},
		{name: "Source", at: 28, bits: 8, codes: listed(ClockSources)},
		{name: "Synchronised", at: 29, bits: 1},
		{name: "Step", at: 29, bit: 1, bits: 1},
		{name: "BelowFloor", at: 29, bit: 2, bits: 1},
	}},
	{ridState, "CANseal_State", "", 24, []field{
		{name: "Bus", at: 8, bits: 8},
		{name: "Kind", at: 9, bits: 8, codes: listed(StateKinds)},
		{name: "State", at: 10, bits: 8, codes: mapped(can.States)},
		{name: "TxErrors", at: 11, bits: 8},
		{name: "RxErrors", at: 12, bits: 8},
		{name: "ID", at: 16, bits: 29},
		{name: "IDE", at: 19, bit: 7, bits: 1},
		{name: "Count", at: 20, bits: 32},
	}},
	{ridSecurity, "CANseal_Security", "", 24, []field{
		{name: "Count", at: 8, bits: 64},
		{name: "ID", at: 16, bits: 29},
		{name: "IDE", at: 19, bit: 7, bits: 1},
		{name: "Bus", at: 20, bits: 8},
		{name: "Sender", at: 21, bits: 8},
		{name: "Kind", at: 22, bits: 8, codes: listed(SecurityKinds)},
	}},
	{ridSender, "CANseal_Sender", "", 16, []field{
		{name: "ID", at: 8, bits: 29},
		{name: "IDE", at: 11, bit: 7, bits: 1},
		{name: "Bus", at: 12, bits: 8},
		{name: "Sender", at: 13, bits: 8},
		{name: "Secured", at: 14, bits: 1},
		{name: "HeartbeatOnly", at: 14, bit: 1, bits: 1},
	}},
	{ridPlain, "CANseal_Plain", "", 80, []field{
		{name: "ID", at: 8, bits: 29},
		{name: "IDE", at: 11, bit: 7, bits: 1},
		{name: "Bus", at: 12, bits: 8},
		{name: "Sender", at: 13, bits: 8},
		{name: "DataLength", at: 14, bits: 7},
		{name: "DataBytes", at: 16, bits: 512, kind: octets},
	}},
	{ridMark, "CANseal_Mark", "", 24, []field{
		{name: "Offset", at: 8, bits: 64},
		{name: "CRC", at: 16, bits: 32},
	}},
}

// dataFields are the members of a data frame with room for n bytes.
func dataFields(n int) []field {
	return []field{
		head("ID", idShift, 29),
		head("OtherTx", otherTxShift, 1),
		head("IDE", ideShift, 1),
		head("BusChannel", busShift, 8),
		head("DLC", dlcShift, 4),
		head("Dir", dirShift, 1),
		head("EDL", edlShift, 1),
		head("BRS", brsShift, 1),
		head("ESI", esiShift, 1),
		head("DataLength", lengthShift, 7),
		head("Encrypted", encryptedShift, 1),
		head("AuthVerdict", verdictShift, 8).coded(listed(can.Verdicts)),
		{name: "DataBytes", at: dataAt, bits: 8 * n, kind: octets},
	}
}

// head is a field in the head of a frame record.
func head(name string, shift, bits int) field {
	return field{name: name, at: headAt + shift/8, bit: shift % 8, bits: bits}
}

func (f field) coded(codes []code) field {
	f.codes = codes
	return f
}

// listed makes codes of a list of texts by index; empty ones are no code.
func listed(texts []string) []code {
	var codes []code
	for value, text := range texts {
		if text != "" {
			codes = append(codes, code{uint64(value), text})
		}
	}
	return codes
}

// mapped makes codes of a map of texts, ascending.
func mapped[K ~uint8](texts map[K]string) []code {
	var codes []code
	for value, text := range texts {
		codes = append(codes, code{uint64(value), text})
	}
	slices.SortFunc(codes, func(a, b code) int { return cmp.Compare(a.value, b.value) })
	return codes
}

// find returns the layout of a record id, nil if there is none.
func find(rid uint8) *group {
	if rid == 0 || rid >= ridEnd {
		return nil
	}
	return &groups[rid-1]
}
