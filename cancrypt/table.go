package cancrypt

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// MaxRecords bounds a message table.
const MaxRecords = 4096

// DataCipher is the high nibble of byte 6 of a table record.
type DataCipher uint8

const (
	XORPad  DataCipher = 0 // one-time pad, on the record's range of bytes
	AESPair DataCipher = 2 // preamble and message are one AES-128 block (P1.10)
)

// Record says how one identifier is protected (P1.11), 8 bytes on the wire.
type Record struct {
	Word      Word  // identity: bits 30 and 29 zero
	Producer  uint8 // address 0-15
	Scope     uint8 // 0 group, 1 pairing
	First     uint8 // first encrypted byte, 0-7
	Count     uint8 // encrypted bytes, 0: authenticated only
	Cipher    DataCipher
	Signature Signature
}

// Announced returns the word by which a preamble names the record: bit 30 is
// set when the record has encrypted bytes, whatever the length of the message.
func (r *Record) Announced() Word {
	if r.Count > 0 || r.Cipher == AESPair {
		return r.Word | Encrypted
	}
	return r.Word
}

// Bytes returns the record as it stands in a table.
func (r *Record) Bytes() (b [8]byte) {
	binary.LittleEndian.PutUint32(b[:], uint32(r.Word))
	b[4] = r.Producer<<4 | r.Scope&15
	b[5] = r.First<<4 | r.Count&15
	b[6] = byte(r.Cipher)<<4 | byte(r.Signature)&15
	return b
}

// ParseRecord reads a record and checks it.
func ParseRecord(b [8]byte) (Record, error) {
	r := Record{
		Word: Word(binary.LittleEndian.Uint32(b[:])), Producer: b[4] >> 4, Scope: b[4] & 15,
		First: b[5] >> 4, Count: b[5] & 15, Cipher: DataCipher(b[6] >> 4), Signature: Signature(b[6] & 15),
	}
	if b[7] != 0 {
		return Record{}, wrong("record "+r.Word.String(), "byte 7 zero", b[7])
	}
	if err := r.check(); err != nil {
		return Record{}, err
	}
	return r, nil
}

func (r *Record) check() error {
	name := "record " + r.Word.String()
	switch {
	case !r.Word.Valid() || r.Word&Encrypted != 0:
		return wrong(name, "an identifier and bit 31 only", uint32(r.Word))
	case r.Producer > 15:
		return wrong(name, "a producer of 0-15", r.Producer)
	case r.Scope > 1:
		return wrong(name, "scope 0 or 1", r.Scope)
	case r.First > 15 || r.Count > 15:
		return wrong(name, "a range of nibbles", []uint8{r.First, r.Count})
	case r.Cipher == AESPair && r.Signature <= 15:
		return nil // range and method are not used
	case r.Cipher != XORPad:
		return wrong(name, "cipher 0 or 2", r.Cipher)
	case r.Signature > AESCMAC:
		return wrong(name, "signature 0, 1 or 2", r.Signature)
	case r.First+r.Count > 8 || r.First > 7:
		return wrong(name, "a range within bytes 0-7", []uint8{r.First, r.Count})
	}
	return nil
}

// Table is the secure message table: the same list in every device, immutable.
type Table struct {
	records  []Record
	standard [0x800]uint16 // position + 1 by 11-bit identifier
	extended map[Word]uint16
	bytes    []byte
}

// NewTable sorts and checks records. Two records of one identifier are refused.
func NewTable(records []Record) (*Table, error) {
	if len(records) > MaxRecords {
		return nil, wrong("table", "at most 4096 records", len(records))
	}
	t := &Table{records: slices.Clone(records), extended: map[Word]uint16{}}
	slices.SortFunc(t.records, func(a, b Record) int { return cmp.Compare(a.Word, b.Word) })
	for i := range t.records {
		r := &t.records[i]
		if err := r.check(); err != nil {
			return nil, err
		}
		if i > 0 && r.Word == t.records[i-1].Word {
			return nil, wrong("table", "one record per identifier", r.Word)
		}
		t.place(r.Word, uint16(i+1))
		b := r.Bytes()
		t.bytes = append(t.bytes, b[:]...)
	}
	t.bytes = binary.LittleEndian.AppendUint16(t.bytes, crc16(0xFFFF, t.bytes))
	return t, nil
}

func (t *Table) place(w Word, position uint16) {
	if w&Extended != 0 {
		t.extended[w] = position
		return
	}
	t.standard[w.ID()] = position
}

// ParseTable reads a table with its checksum. It refuses a wrong checksum,
// another order, equal words and what ParseRecord refuses.
func ParseTable(b []byte) (*Table, error) {
	n := len(b) / 8
	if len(b)%8 != 2 || n > MaxRecords {
		return nil, wrong("table", "records of 8 bytes and a checksum of 2", len(b))
	}
	if got := crc16(0xFFFF, b[:8*n]); got != binary.LittleEndian.Uint16(b[8*n:]) {
		return nil, wrong("table", "its checksum", got)
	}
	records := make([]Record, n)
	for i := range records {
		r, err := ParseRecord([8]byte(b[8*i:]))
		if err != nil {
			return nil, err
		}
		if i > 0 && r.Word <= records[i-1].Word {
			return nil, wrong("table", "records in rising order", r.Word)
		}
		records[i] = r
	}
	return NewTable(records)
}

// Bytes returns the table with its checksum; the slice is the table's.
func (t *Table) Bytes() []byte { return t.bytes }

// CRC returns the checksum.
func (t *Table) CRC() uint16 { return binary.LittleEndian.Uint16(t.bytes[len(t.bytes)-2:]) }

// Records returns the records in order; the slice is the table's.
func (t *Table) Records() []Record { return t.records }

// Find returns the record of an identity, nil if it is not listed.
func (t *Table) Find(w Word) *Record {
	var position uint16
	switch {
	case w&^(wordID|Extended) != 0:
	case w&Extended != 0:
		position = t.extended[w]
	case w <= 0x7FF:
		position = t.standard[w]
	}
	if position == 0 {
		return nil
	}
	return &t.records[position-1]
}

// Announced returns the record that a preamble's word names, nil if the word
// differs from the table in any bit.
func (t *Table) Announced(w Word) *Record {
	r := t.Find(w.Identity())
	if r == nil || r.Announced() != w {
		return nil
	}
	return r
}
