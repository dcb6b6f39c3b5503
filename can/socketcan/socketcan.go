package socketcan

import (
	"errors"
	"log/slog"
	"time"

	"canseal/can"
)

var (
	// ErrUnsupported says that this system has no SocketCAN.
	ErrUnsupported = errors.New("SocketCAN needs Linux")
	// ErrFrame says that a frame cannot be sent: an error message, or lengths
	// and flags that no frame on a wire has.
	ErrFrame = errors.New("not a frame that can be sent")
	// ErrSilent says that nothing is sent on a bus: its link is in listen-only
	// mode, or its bit rate is not, or seems not to be, what it should be.
	ErrSilent = errors.New("listen-only, or the bit rate is in doubt")
)

// DefaultReceiveBuffer is the size of an interface's socket queue in bytes: at
// least one second of a full bus, since a classic frame takes about 766 bytes.
const DefaultReceiveBuffer = 16 << 20

// Options tell a Capture what to record.
type Options struct {
	Interfaces []Interface
	Pause      time.Duration // frames gather for so long; 0: 5 ms
	Log        *slog.Logger  // nil: silent
	Now        func() int64  // wall clock in ns since 1970 UTC, for events that the kernel does not stamp; nil: time.Now
}

// Interface is one network interface to record.
type Interface struct {
	Name          string // can0
	Bus           uint8  // number in the events, 1-8
	ReceiveBuffer int    // bytes asked for; 0: DefaultReceiveBuffer
	ErrorFrames   bool   // deliver the kernel's error messages as frames; states and losses are drawn from them either way
	Want          Settings
	Configure     bool // set the link to Want, and up; needs CAP_NET_ADMIN
	// Filter is what the kernel may leave out: the first rule that has a frame
	// decides, a frame that none has is left out; nil: everything passes. Frames
	// that pass it come all the same where the kernel cannot do it.
	Filter []can.Rule
	Pass   []ID // identifiers that pass whatever Filter says
}

// Settings are what a link is compared with. What is 0 or nil is not compared,
// and left as it is.
type Settings struct {
	BitRate     uint32         // bit/s
	DataBitRate uint32         // bit/s of the FD data phase
	FD          *bool          // the link carries FD frames
	Restart     *time.Duration // from bus-off to the automatic restart; 0: none
	ListenOnly  *bool
}

// InterfaceStatus is what is known about an interface. Counters start with
// the Capture.
type InterfaceStatus struct {
	Name          string
	Bus           uint8
	Link          can.State // LinkMissing, LinkUnplugged, LinkDown, LinkUp
	Controller    can.State // ErrorActive … ControllerRestarted; 0: not known, as on vcan
	Problem       string    // why the interface is not open, or could not be set; empty when all is well
	Differs       []string  // how the link is not what Interface.Want says, in words
	BitRate       uint32    // bit/s; 0: not known, as on vcan
	DataBitRate   uint32    // bit/s of the FD data phase; 0: none or not known
	FD            bool      // the interface carries FD frames
	ListenOnly    bool
	Stamps        string // "software": stamped by the kernel
	ReceiveBuffer int    // bytes that the kernel granted
	TxErrors      uint8  // error counters of the controller
	RxErrors      uint8

	Frames, Errors uint64 // frames of all directions; error messages
	Sent, OtherTx  uint64 // of Frames: sent by this process; by others on this machine
	LostSocket     uint64
	LostInterface  uint64 // at least
	LostController uint64 // at least
	LeftOut        uint64 // messages that are no CAN or CAN FD frames
	Unlogged       uint64 // of Sent: not delivered, as their sender wanted

	Filters         int    // filters that are set in the kernel; 0: it lets everything pass
	Filtered        uint64 // frames that the kernel left out, by the counters of the interface
	FilteredUnknown bool   // the interface has no counters: it may be more
	LastFrame       int64  // stamp of the newest frame in ns since 1970 UTC; 0: none
}

// PortOptions describe a Port.
type PortOptions struct {
	Interface string
	Bus       uint8
	Capture   *Capture // told about every frame sent, so that it comes back as Tx; may be nil
	Receive   []ID     // identifiers that Port.Run hands out; none: nothing is received
}

// ID is an arbitration identifier.
type ID struct {
	Number   uint32 // 11 or 29 bits
	Extended bool
}
