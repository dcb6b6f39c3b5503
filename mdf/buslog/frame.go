package buslog

import (
	"encoding/binary"

	"canseal/can"
)

// Where payloads are.
const (
	inRecord uint8 = 1 + iota // fixed room in the record
	inGroup                   // VLSD records of the same data group
	inBlock                   // an SD block, or a list of them
)

// payloads tells where the data bytes of a group's frames are.
type payloads struct {
	kind   uint8
	at     int64  // address of the VLSD group, or of the SD block
	byte   int    // inRecord: where
	room   int    // inRecord: how many bytes
	offset number // else: of the payload in the stream of payloads
}

// frame is how a record becomes a frame.
type frame struct {
	ours                     bool // the layout of package mdf, read as one word
	id, ide, bus, dir        number
	dlc, length              number
	edl, brs, esi            number
	otherTx, hidden, verdict number
	errorClass, errorType    number
	wideID                   bool // no IDE: bit 31 of ID is it
	payloads                 payloads
}

// frameOf reads the members of the channel owner.
func (f *File) frameOf(g *group, owner string, channels []channel) error {
	members := map[string]*channel{}
	for i := range channels {
		if c := &channels[i]; c.name == owner && c.member != "" && members[c.member] == nil {
			members[c.member] = c
		}
	}
	n := func(name string) number { return numberOf(members[name]) }
	g.frame = frame{
		id: n("ID"), ide: n("IDE"), bus: n("BusChannel"), dir: n("Dir"), dlc: n("DLC"), length: n("DataLength"),
		edl: n("EDL"), brs: n("BRS"), esi: n("ESI"),
	}
	g.frame.wideID = !g.frame.ide.there
	g.frame.otherTx, g.frame.hidden, g.frame.verdict = n("OtherTx"), n("Encrypted"), n("AuthVerdict") // ours, and others keep them
	switch g.stage {
	case stageError:
		g.frame.errorClass, g.frame.errorType = n("ErrorClass"), n("ErrorType")
		g.frame.payloads = payloadsOf(members["ErrorData"])
	case stageData:
		g.frame.payloads = payloadsOf(members["DataBytes"])
		if g.frame.payloads.kind == 0 && members["DataBytes"] != nil {
			return corrupt(members["DataBytes"].at, "data bytes that can be read", "type %d of %d bits", members["DataBytes"].kind, members["DataBytes"].bits)
		}
		if p := &g.frame.payloads; p.kind == inBlock {
			if kind, _, _, err := f.source.head(p.at); err == nil && kind == "CG" {
				p.kind = inGroup
			}
		}
		g.frame.ours = g.frame.isOurs(g.time)
	}
	return nil
}

// payloadsOf tells where the bytes of a channel are; kind 0 if it cannot be read.
func payloadsOf(c *channel) payloads {
	switch {
	case c == nil:
	case c.kind == vlsdLength && c.data != 0:
		plain := *c
		plain.order, plain.conversion = 0, conversion{} // the type is that of the payload
		if offset := numberOf(&plain); offset.there {
			return payloads{kind: inBlock, at: c.data, offset: offset} // inGroup once the block is known to be a CG
		}
	case (c.kind == fixedLength || c.kind == greatest) && c.bit == 0 && c.bits >= 8:
		return payloads{kind: inRecord, byte: c.byte, room: min(c.bits/8, can.MaxData)}
	}
	return payloads{}
}

// The head of our frame records: bits of the little-endian u64 at byte 8
// (package mdf).
const (
	headAt         = 8
	dataAt         = 16
	otherTxShift   = 30
	ideShift       = 31
	busShift       = 32
	dlcShift       = 40
	dirShift       = 44
	edlShift       = 45
	lengthShift    = 48
	encryptedShift = 55
	verdictShift   = 56
)

// isOurs tells whether the members stand where package mdf puts them.
func (f *frame) isOurs(t clock) bool {
	is := func(n number, shift, bits int) bool {
		return n.there && !n.constant && n.table == nil && !n.linear && n.bytes == 0 &&
			n.at*8+int(n.shift) == headAt*8+shift && n.mask == 1<<bits-1
	}
	return t.form == wholeNanos && t.at == 0 && f.payloads.kind == inRecord && f.payloads.byte == dataAt &&
		is(f.id, 0, 29) && is(f.otherTx, otherTxShift, 1) && is(f.ide, ideShift, 1) && is(f.bus, busShift, 8) &&
		is(f.dlc, dlcShift, 4) && is(f.dir, dirShift, 1) && is(f.edl, edlShift, 1) && is(f.brs, edlShift+1, 1) &&
		is(f.esi, edlShift+2, 1) && is(f.length, lengthShift, 7) && is(f.hidden, encryptedShift, 1) && is(f.verdict, verdictShift, 8)
}

const idMask = 1<<29 - 1

// take makes a frame of a record; false if it cannot be one. Between calls
// it.Frame.Data is zero behind Len.
func (f *frame) take(it *Item, s stage, rec, payload []byte) bool {
	if f.ours {
		return takeOurs(it, rec, f.payloads.room)
	}
	it.Bus, it.Encrypted = uint8(f.bus.of(rec)), f.hidden.of(rec) != 0
	it.Verdict, it.Dir = can.Verdict(f.verdict.of(rec)), f.direction(rec)
	if s == stageError {
		f.errorMessage(&it.Frame, rec)
		return true
	}
	return f.identify(&it.Frame, rec) && f.contents(&it.Frame, s, rec, payload)
}

// identify reads the identifier; false if it has more bits than it may.
func (f *frame) identify(to *can.Frame, rec []byte) bool {
	id := f.id.of(rec)
	to.Flags = 0
	if f.ide.of(rec)&1 != 0 || f.wideID && id>>31&1 != 0 {
		to.Flags = can.Extended
	}
	to.ID = uint32(id) & idMask
	return to.Flags != 0 || to.ID < 1<<11
}

// contents reads DLC, flags and data bytes.
func (f *frame) contents(to *can.Frame, s stage, rec, payload []byte) bool {
	dlc := f.dlc.of(rec)
	if s == stageRemote {
		to.Flags |= can.Remote
		to.DLC = uint8(dlc & 15)
		set(to, nil)
		return dlc < 16
	}
	if f.payloads.kind == inRecord {
		payload = rec[f.payloads.byte:][:f.payloads.room]
	}
	n := uint64(len(payload))
	switch {
	case f.length.there:
		n = f.length.of(rec)
	case f.dlc.there:
		n = uint64(can.Length(uint8(dlc), f.edl.of(rec) != 0 || !f.edl.there && len(payload) > 8))
	}
	if fd := f.edl.of(rec) != 0 || !f.edl.there && n > 8; fd {
		to.Flags |= can.FD | can.Flags(f.brs.of(rec)&1)*can.BRS | can.Flags(f.esi.of(rec)&1)*can.ESI
	} else {
		n = min(n, 8) // DataLength of a classic DLC above 8 may say more
	}
	if n > can.MaxData || n > uint64(len(payload)) {
		return false
	}
	set(to, payload[:n])
	agree(to, f.dlc.there && dlc < 16, uint8(dlc))
	return true
}

// agree makes DLC and length fit each other: the DLC told, if it stands for the
// length; else the least with room for it, bytes that are missing being zero.
func agree(to *can.Frame, told bool, dlc uint8) {
	fd := to.Is(can.FD)
	if told && can.Length(dlc, fd) == int(to.Len) {
		to.DLC = dlc
		return
	}
	to.DLC = can.DLC(int(to.Len))
	to.Len = uint8(can.Length(to.DLC, fd))
}

// set puts data bytes into a frame whose bytes behind Len are zero.
func set(to *can.Frame, data []byte) {
	if n := copy(to.Data[:], data); n < int(to.Len) {
		clear(to.Data[n:to.Len])
	}
	to.Len = uint8(len(data))
}

func (f *frame) direction(rec []byte) can.Direction {
	if f.dir.of(rec) == 0 {
		return can.Rx
	}
	return can.Tx + can.Direction(f.otherTx.of(rec)&1)
}

// takeOurs reads a data frame of ours: the head is one word.
func takeOurs(it *Item, rec []byte, room int) bool {
	word := binary.LittleEndian.Uint64(rec[headAt:])
	to := &it.Frame
	n := int(word >> lengthShift & 0x7F)
	if n > room {
		return false
	}
	to.ID = uint32(word) & idMask
	to.Flags = can.Flags(word>>ideShift)&can.Extended | can.Flags(word>>edlShift&7)*can.FD
	to.DLC = uint8(word>>dlcShift) & 15
	it.Bus, it.Verdict = uint8(word>>busShift), can.Verdict(word>>verdictShift)
	it.Encrypted = word>>encryptedShift&1 != 0
	it.Dir = can.Direction(word>>dirShift&1 + word>>dirShift&1&(word>>otherTxShift))
	if n <= 8 && to.Len <= 8 {
		data := binary.LittleEndian.Uint64(rec[dataAt:]) & (1<<(8*n) - 1)
		binary.LittleEndian.PutUint64(to.Data[:], data)
		to.Len = uint8(n)
	} else {
		set(to, rec[dataAt:][:n])
	}
	if can.Length(to.DLC, to.Is(can.FD)) != n {
		agree(to, false, 0)
	}
	return true
}

// Bits of the kernel's error messages (linux/can/error.h).
const (
	classProtocol    = 0x08
	classAcknowledge = 0x20

	typeByte, locationByte = 2, 3
	typeTx                 = 0x80
	locationCRC            = 0x08
)

// errorBits are the type bits for the error types of MDF that have some: bit,
// form, stuffing.
var errorBits = [6]byte{1: 0x01, 2: 0x02, 3: 0x04}

// errorMessage makes a message of the kernel: the one recorded in files of
// ours, else one that says the same as the type of error.
func (f *frame) errorMessage(to *can.Frame, rec []byte) {
	to.Flags, to.DLC = can.Error, 8
	if f.errorClass.there && f.payloads.kind == inRecord && f.payloads.room >= 8 {
		to.ID = uint32(f.errorClass.of(rec)) & idMask
		set(to, rec[f.payloads.byte:][:8])
		return
	}
	var data [8]byte
	to.ID = classProtocol
	switch kind := f.errorType.of(rec); kind {
	case 5:
		to.ID = classAcknowledge
	case 4:
		data[locationByte] = locationCRC
	default:
		data[typeByte] = errorBits[min(kind, 5)]
	}
	if f.dir.of(rec) != 0 {
		data[typeByte] |= typeTx
	}
	set(to, data[:])
}
