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
//     rtnetlink at once, and looked for once a second. An interface that was
//     renamed is gone, and Status tells its new name.
//
//   - After Close, Read delivers what the kernel had queued, then io.EOF.
//
// Controller states (error active, warning, passive, bus-off, restarted …)
// come from the kernel's error messages, which are recorded as frames too, and
// once a second from the driver.
//
// # Settings of a link
//
// Interface.Want is what a link shall be like; what it does not name is not
// compared. The comparison is an event at the first look, and each time that
// its outcome changes:
//
//	LinkDiffers        InterfaceStatus.Differs tells in words how
//	LinkAsConfigured   all that is named is so
//
// Bit rates may be off by half a percent, for a clock divides as it can. A vcan
// has neither bit rates nor a restart: they are unknown, and differ.
//
// Errors from the bus without any valid frame since the link is up are said
// too, as LinkDiffers with "wrong bit rate?", whether something is named or
// not. Missing acknowledgements are no such errors: we may be alone. The first
// valid frame ends the doubt. Many controllers report such errors only in
// normal mode, or only with "berr-reporting on", which is left as it is.
//
// With Interface.Configure the Capture sets the link by rtnetlink, from a
// goroutine of its own, and keeps it so:
//
//	found                                   done
//	down, or not as wanted                  down, Want but in listen-only mode, up
//	so, after a valid frame, if Want says   down, Want, up; a loss LostReconfigured
//	ListenOnly false                        between, at least one
//	no valid frame                          waits, and says so in Differs
//	down by another hand, or a new adapter  from the beginning
//	set by us, and the driver took less     nothing more: Differs tells
//	refused (rights, no such bit rate)      Problem tells; again after 1 s .. 1 min
//
// So a wrong bit rate never disturbs a bus. A controller without a listen-only
// mode is left down. An automatic restart after bus-off that the driver does
// not know is left out, and said.
//
// # Losses
//
// A lost frame is counted at the first place that lost it:
//
//	place              known from                                    event
//	socket queue       SO_RXQ_OVFL with the next frame that is       LostSocket, exact
//	                   queued, SO_MEMINFO once a second, for a bus
//	                   that went quiet after a burst
//	driver, backlog    rx_dropped of the interface, once a second    LostInterface, at least
//	controller FIFO    error message with overflow                   LostController, at least
//	                   rx_over_errors beyond those messages          LostInterface, at least
//	Configure          the link was down to leave listen-only mode   LostReconfigured, at least
//
// The interval of an event holds the lost frames: from the last frame before,
// or the last look, to the moment of notice.
//
// How the counters overlap:
//
//	SO_RXQ_OVFL and SO_MEMINFO   are one counter of 32 bits, read in two places. Of a
//	                             reading only what exceeds the highest before counts.
//	rx_dropped                   is counted before any socket sees the frame: none of
//	                             it is in the socket's counter. It holds what the
//	                             kernel's backlog dropped (/proc/net/softnet_stat),
//	                             which is not read for that reason.
//	rx_over_errors               most drivers count each overflow and report it with a
//	                             message as well. Those messages are subtracted; what
//	                             exceeds them since the last look was not reported.
//	a lost overflow message      is one of the messages that the socket counts as lost;
//	                             the overflow itself then shows in rx_over_errors.
//	                             Two losses, each counted once.
//	overflow                     is an event, not a number of frames: at least one.
//	error messages               share the socket's queue: its counter counts them too.
//
// What an interface counted before its socket was opened is not our loss, and a
// counter that goes back belongs to a driver that started anew.
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
// A Participant is a Port that also hears what it needs to take part in a
// protocol: stamps, directions (MSG_CONFIRM tells its own frames, once they are
// on the bus), remote and FD frames, and protocol errors of the controller.
//
// A Port that has a Capture sends nothing (ErrSilent) while the link is in
// listen-only mode, while its bit rate is not what Interface.Want says or is
// in doubt, and while a link that is checked is down.
//
// # Transmit lists
//
// A Transmitter sends frames by delay and period through a Port of its own. Its
// clock stands still while nothing can be sent, so that after a pause of the
// link the distances are kept and nothing comes in a burst:
//
//	link    ▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▔▔▔▔▔▔▔▔▔▔▔▔▔
//	due     A   A B A   A                       A   A   A
//
// A frame without a period is sent once in a run. One that shall not be logged
// is recognised when it comes back, and counted (Unlogged) instead of
// delivered. The interface is opened anew after each error: one that was pulled
// out and comes back under its name is used again.
//
// # Rights
//
// Capturing needs none. With CAP_NET_ADMIN the receive buffer may exceed
// net.core.rmem_max, and Status tells what was granted; Configure needs it. A sandbox must allow the
// address families AF_CAN and AF_NETLINK.
//
// On systems other than Linux everything returns ErrUnsupported.
package socketcan
