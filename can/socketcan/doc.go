// Package socketcan records CAN buses through Linux SocketCAN, and sends to
// them. It is a shell: it owns sockets and states of links, and hands out
// events of package can.
//
// # Capture
//
// A Capture is a can.Source over up to eight interfaces, drained by one
// goroutine on a thread of its own. What costs is not the frame but the
// wake-up, so the loop gathers:
//
//	drain ──► something came ──► sleep for the pause (5 ms), only Close wakes ──┐
//	  ▲  └──► nothing came ────► sleep until a socket or a link has news ───────┤
//	  └─────────────────────────────────────────────────────────────────────────┘
//
// A drain calls recvmmsg in batches of 64 and merges the interfaces by stamp.
// Descriptors are plain integers outside Go's network poller, whose thread
// would wake for every frame. The kernel stamps each frame when it arrives
// (SO_TIMESTAMPING, CLOCK_REALTIME), so the pause costs no accuracy. Stamps of
// controllers with clocks of their own are not used: they count from an
// arbitrary moment and drift, and one log needs one clock. The kernel begins to
// stamp a few milliseconds after the first socket asks for it; a frame before
// that bears the time at which it was drained.
//
// # What it promises
//
//   - A frame that reached the machine is delivered, or counted as lost.
//
//   - Frames of one bus come in the order the kernel queued them, and frames
//     of all buses by their stamps: one that arrives during a drain waits for
//     the next, so that it does not overtake.
//
//   - Read never fails because of an interface. A kernel without SocketCAN, an
//     interface that is not there yet, is down, or is pulled out is a state:
//
//     LinkMissing     never seen, or cannot be opened (Status tells why)
//     LinkUnplugged   was there and is gone
//     LinkDown        there, but down
//     LinkUp          frames flow
//
//     Every change is one event of kind can.KindState. Changes are heard from
//     rtnetlink at once, and looked for once a second.
//
//   - After Close, Read delivers what the kernel had queued, then io.EOF.
//
// Controller states (error active, warning, passive, bus-off, restarted …)
// come from the kernel's error messages, which are recorded as frames too, and
// once a second from the driver.
//
// # Losses
//
// A lost frame is counted at the first place that lost it:
//
//	place              known from                                    event
//	socket queue       SO_RXQ_OVFL with the next frame that is        LostSocket, exact
//	                   queued, SO_MEMINFO once a second, for a bus
//	                   that went quiet after a burst
//	driver, backlog    rx_dropped of the interface, once a second    LostInterface, at least
//	controller FIFO    error message with overflow                   LostController, at least
//	                   rx_over_errors beyond those messages          LostInterface, at least
//
// # Filters in the kernel
//
// What Interface.Filter leaves out need not be copied and decoded: the list is
// made into filters of the kernel (CAN_RAW_FILTER) where 64 masks, and 512
// filters in all, say exactly the same. Else everything comes. Filters are set
// at the first look after a valid frame has come, and taken back while the link is
// down: until a frame is seen nobody knows whether the bit rate is right. Error
// messages pass always.
//
// What the kernel leaves out it does not count. Status compares rx_packets of the
// interface with what came here, once a second: exact when the bus is quiet, else
// short or long by the frames under way. A frame that another program of this
// machine sends, and the list leaves out, is counted on a vcan only; drivers of
// kernels before 5.17 count their error messages in rx_packets, which then look
// like frames left out. Without the interface's counters Status says that it does
// not know.
//
// # Direction
//
// The kernel marks frames sent on this machine (MSG_DONTROUTE). Those that
// a Port of this process sent, or that Capture.Sent announced, are Tx; others
// are OtherTx. Own frames are remembered for a second, at most 256 a bus. On a
// vcan every frame is sent by this machine; the far end of a vxcan pair is a
// bus like a real one.
//
// # Port
//
// A Port sends frames, and receives the few identifiers it asks for. Classic
// frames go through github.com/brutella/can (its Frame, Bus and
// ReadWriteCloser) over a descriptor of our own. FD frames, which that library
// does not know, are written directly. Capture does not go through it: it sees
// no FD frames, error messages, stamps, directions or losses, and costs ten
// times as much a frame.
//
// # Rights
//
// Capturing needs none. With CAP_NET_ADMIN the receive buffer may exceed
// net.core.rmem_max; Status tells what was granted. A sandbox must allow the
// address families AF_CAN and AF_NETLINK.
//
// On systems other than Linux everything returns ErrUnsupported.
package socketcan
