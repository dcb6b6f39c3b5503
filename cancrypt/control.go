package cancrypt

import (
	"encoding/binary"
	"fmt"
	"strconv"
)

// Code is the high nibble of a control message's first byte (P1.13).
type Code uint8

const (
	CodeAbort Code = iota
	CodeAck
	CodeAlert
	CodeIdentify
	CodeXIdentify
	CodePair
	CodeConfirm
	CodeUnpair
	CodeGroup
	CodeBit
	CodeFlip
	CodeSaveKey
	CodeEraseKey
)

var codes = []string{"ABORT", "ACK", "ALERT", "IDENTIFY", "XIDENTIFY", "PAIR", "CONFIRM", "UNPAIR", "GROUP", "BIT", "FLIP", "SAVEKEY", "ERASEKEY"}

func (c Code) String() string {
	if int(c) < len(codes) {
		return codes[c]
	}
	return "code " + strconv.Itoa(int(c))
}

// AbortReason says why a pairing or a request ended.
type AbortReason uint8

const (
	AbortUser AbortReason = iota
	AbortTimeout
	AbortBusy
	AbortNoSuchKey
	AbortNotAllowed
	AbortProofFailed
	AbortMismatch // version, methods or period
	AbortTable
	AbortManipulation
)

func (r AbortReason) String() string {
	if int(r) < len(abortReasons) {
		return abortReasons[r]
	}
	return "reason " + strconv.Itoa(int(r))
}

var abortReasons = []string{"by its user", "no answer in time", "busy", "no such key", "not allowed", "the proof failed: the keys differ",
	"version, methods or period differ", "the message tables differ", "manipulation was seen"}

// Control is one of the messages below.
type Control interface {
	Code() Code
	body(dst []byte) []byte
}

type (
	Abort struct{ Reason AbortReason }
	Ack   struct {
		Acknowledged Code  // only its low byte travels
		Info         uint8 // index for BIT and FLIP, key ID for SAVEKEY and ERASEKEY, else 0
	}
	Alert struct {
		Counter Counter
		Value   uint16
	}
	IdentifyRequest struct{}
	Identify        struct {
		Version  uint8 // 1: profile P1
		Methods  Methods
		Stored   uint8 // bit k: slot k holds a key
		State    uint8 // low nibble 0 OFF, 1 JOIN, 2 SYNC, 3 GROUPED, 4 SILENT; bit 4 paired
		TableCRC uint8 // low byte
	}
	XIdentifyRequest struct{ Item uint8 } // 0, 1 serial; 2 vendor; 3 product; 4 software version
	XIdentify        struct {
		Item  uint8
		Value [4]byte
	}
	Pair struct {
		KeyID  uint8 // 0-7
		Serial bool  // the serial number is used
		Answer bool
		Nonce  [4]byte
		Period uint8 // update period in 100 ms
	}
	Confirm struct{ Proof [4]byte }
	Unpair  struct{ Reason AbortReason }
	Group   struct {
		KeyID uint8
		Nonce [4]byte
		Event uint8 // event time in 100 ms
	}
	Bit struct {
		Index  uint8
		Direct bool
	}
	Flip struct {
		Index uint8
		Flip  bool
	}
	SaveKey  struct{ KeyID uint8 } // only as a secured message
	EraseKey struct{ KeyID uint8 } // only as a secured message
)

func (Abort) Code() Code            { return CodeAbort }
func (Ack) Code() Code              { return CodeAck }
func (Alert) Code() Code            { return CodeAlert }
func (IdentifyRequest) Code() Code  { return CodeIdentify }
func (Identify) Code() Code         { return CodeIdentify }
func (XIdentifyRequest) Code() Code { return CodeXIdentify }
func (XIdentify) Code() Code        { return CodeXIdentify }
func (Pair) Code() Code             { return CodePair }
func (Confirm) Code() Code          { return CodeConfirm }
func (Unpair) Code() Code           { return CodeUnpair }
func (Group) Code() Code            { return CodeGroup }
func (Bit) Code() Code              { return CodeBit }
func (Flip) Code() Code             { return CodeFlip }
func (SaveKey) Code() Code          { return CodeSaveKey }
func (EraseKey) Code() Code         { return CodeEraseKey }

func bit(set bool, value byte) byte {
	if set {
		return value
	}
	return 0
}

func (m Abort) body(b []byte) []byte { return append(b, byte(m.Reason)) }
func (m Ack) body(b []byte) []byte   { return append(b, byte(m.Acknowledged), m.Info) }
func (m Alert) body(b []byte) []byte {
	return binary.LittleEndian.AppendUint16(append(b, byte(m.Counter)), m.Value)
}
func (m IdentifyRequest) body(b []byte) []byte { return append(b, 0) }
func (m Identify) body(b []byte) []byte {
	b = binary.LittleEndian.AppendUint16(append(b, m.Version), uint16(m.Methods))
	return append(b, m.Stored, m.State, m.TableCRC)
}
func (m XIdentifyRequest) body(b []byte) []byte { return append(b, m.Item) }
func (m XIdentify) body(b []byte) []byte        { return append(append(b, m.Item), m.Value[:]...) }
func (m Pair) body(b []byte) []byte {
	b = append(b, m.KeyID&7|bit(m.Serial, 0x80)|bit(m.Answer, 0x40))
	return append(append(b, m.Nonce[:]...), m.Period)
}
func (m Confirm) body(b []byte) []byte { return append(append(b, 0), m.Proof[:]...) }
func (m Unpair) body(b []byte) []byte  { return append(b, byte(m.Reason)) }
func (m Group) body(b []byte) []byte {
	return append(append(append(b, m.KeyID), m.Nonce[:]...), m.Event)
}
func (m Bit) body(b []byte) []byte      { return append(b, m.Index, bit(m.Direct, 1)) }
func (m Flip) body(b []byte) []byte     { return append(b, m.Index, bit(m.Flip, 1)) }
func (m SaveKey) body(b []byte) []byte  { return append(b, m.KeyID, 0) }
func (m EraseKey) body(b []byte) []byte { return append(b, m.KeyID, 0) }

// AppendControl appends the data of the frame that carries m in a context.
func AppendControl(dst []byte, context uint8, m Control) []byte {
	return m.body(append(dst, byte(m.Code())<<4|context&15))
}

// form is a code and a length; together they say which message it is.
type form struct {
	code Code
	size int
}

// forms reads the bytes behind the first one. A false answer is a reserved bit
// that is set.
var forms = map[form]func(b []byte) (Control, bool){
	{CodeAbort, 2}: func(b []byte) (Control, bool) { return Abort{AbortReason(b[0])}, true },
	{CodeAck, 3}:   func(b []byte) (Control, bool) { return Ack{Code(b[0]), b[1]}, true },
	{CodeAlert, 4}: func(b []byte) (Control, bool) {
		return Alert{Counter(b[0]), binary.LittleEndian.Uint16(b[1:])}, b[0] >= 1 && b[0] <= 8
	},
	{CodeIdentify, 2}: func(b []byte) (Control, bool) { return IdentifyRequest{}, b[0] == 0 },
	{CodeIdentify, 7}: func(b []byte) (Control, bool) {
		return Identify{b[0], Methods(binary.LittleEndian.Uint16(b[1:])), b[3], b[4], b[5]}, true
	},
	{CodeXIdentify, 2}: func(b []byte) (Control, bool) { return XIdentifyRequest{b[0]}, true },
	{CodeXIdentify, 6}: func(b []byte) (Control, bool) { return XIdentify{b[0], [4]byte(b[1:])}, true },
	{CodePair, 7}: func(b []byte) (Control, bool) {
		return Pair{b[0] & 7, b[0]&0x80 != 0, b[0]&0x40 != 0, [4]byte(b[1:]), b[5]}, b[0]&0x38 == 0
	},
	{CodeConfirm, 6}:  func(b []byte) (Control, bool) { return Confirm{[4]byte(b[1:])}, b[0] == 0 },
	{CodeUnpair, 2}:   func(b []byte) (Control, bool) { return Unpair{AbortReason(b[0])}, true },
	{CodeGroup, 7}:    func(b []byte) (Control, bool) { return Group{b[0], [4]byte(b[1:]), b[5]}, true },
	{CodeBit, 3}:      func(b []byte) (Control, bool) { return Bit{b[0], b[1] == 1}, b[1] <= 1 },
	{CodeFlip, 3}:     func(b []byte) (Control, bool) { return Flip{b[0], b[1] == 1}, b[1] <= 1 },
	{CodeSaveKey, 3}:  func(b []byte) (Control, bool) { return SaveKey{b[0]}, b[1] == 0 },
	{CodeEraseKey, 3}: func(b []byte) (Control, bool) { return EraseKey{b[0]}, b[1] == 0 },
}

// ParseControl reads the data of a control frame: its context, 0-15, and the
// message. It refuses unknown codes, other lengths and reserved bits.
func ParseControl(b []byte) (context uint8, m Control, err error) {
	if len(b) == 0 {
		return 0, nil, wrong("control message", "at least 1 byte", "none")
	}
	code := Code(b[0] >> 4)
	read := forms[form{code, len(b)}]
	if read == nil {
		return 0, nil, wrong("control message", "a length of its code", fmt.Sprintf("%v with %d bytes", code, len(b)))
	}
	m, ok := read(b[1:])
	if !ok {
		return 0, nil, wrong(code.String(), "reserved bits zero", fmt.Sprintf("% x", b))
	}
	return b[0] & 15, m, nil
}

// Counter is one of the error counters 1-8 of P1.13.
type Counter uint8

const (
	NoMessage    Counter = 1 + iota // preamble without message
	NoPreamble                      // listed message without preamble
	BadSignature                    // signature failure
	ReplayedSeq                     // replayed counter
	Desync                          // key desync
	BadHeartbeat                    // heartbeat failure
	Injection                       // own identifier received
	BitAnomaly                      // bit-cycle anomaly
	counters     = 9                // numbers in use, 0 for none
)
