package can

// MaxData is the largest payload of a frame in bytes (CAN FD).
const MaxData = 64

// Flags tell what kind of frame a Frame is. The zero value is a classic data
// frame with an 11-bit identifier.
type Flags uint8

const (
	Extended Flags = 1 << iota // IDE: 29-bit identifier
	Remote                     // RTR: remote frame; carries a DLC and no data
	Error                      // an error message of the kernel (linux/can/error.h), not a frame on the wire
	FD                         // EDL/FDF: CAN FD frame
	BRS                        // FD: bit rate switched for the data phase
	ESI                        // FD: the sender is error passive
)

// Frame is one CAN frame by value.
//
// ID holds 11 or 29 bits (Extended). For an error message (Error) it holds the
// class bits of the kernel's identifier, bits 0-28, and Data its 8 bytes.
// DLC is the code on the wire, 0-15, also 9-15 of a classic frame, whose Len
// is then 8. Len is the number of bytes of Data in use; bytes behind it are
// zero. A remote frame has Len 0, whatever its DLC.
type Frame struct {
	ID    uint32
	Flags Flags
	DLC   uint8
	Len   uint8
	Data  [MaxData]byte
}

// Direction tells where a frame came from (docs/formats.md C1).
type Direction uint8

const (
	Rx      Direction = iota // from the bus
	Tx                       // sent by this daemon
	OtherTx                  // sent by another program of this machine
)

// Kind tells which fields of an Event count.
type Kind uint8

const (
	KindFrame Kind = iota // Frame, Dir, Verdict
	KindLost              // From, Lost, AtLeast, Reason
	KindState             // State, TxErrors, RxErrors
)

// Event is what a Source delivers: a frame, a loss, or a change of state of
// the link or the controller.
type Event struct {
	Time     int64  // ns since 1970-01-01 UTC: kernel stamp of a frame, moment of notice else
	From     int64  // KindLost: the missing frames had From <= t <= Time
	Lost     uint64 // KindLost: how many; 0: unknown, at least one
	Bus      uint8  // 1-8; 0: all or none
	Kind     Kind
	Dir      Direction
	Reason   Reason // KindLost
	AtLeast  bool   // KindLost: Lost is a lower bound
	State    State  // KindState
	TxErrors uint8  // KindState, controller: transmit error counter
	RxErrors uint8  // KindState, controller: receive error counter
	Verdict  Verdict
	Frame    Frame
}

// Source delivers events, oldest first per bus. Read blocks until it has at
// least one event, fills buf and returns how many; the events are the
// caller's. One goroutine reads. Close may be called by another one and makes
// Read return io.EOF once the events already drained are delivered.
type Source interface {
	Read(buf []Event) (int, error)
	Close() error
}
