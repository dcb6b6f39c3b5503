// Package sim is a simulated bus: a can.Source that needs no hardware.
//
// 80 messages, 60 with standard and 20 with extended identifiers, are spread
// over one to eight buses and sent at weights from 1 to 100, as fast as
// Options.Rate says for all together. Payloads count, walk at random and carry
// a checksum, so they compress like those of a vehicle. A share of the
// messages is FD, and a share of the frames remote requests or error messages
// of the controller. All frames come from the bus (can.Rx), and all are Valid.
//
// What it promises:
//
//   - Equal options give equal events, but for stamps when Start is 0.
//   - Stamps rise and are distinct over all buses. Event n lies in the n-th of
//     Rate slots of its second, anywhere in it: there are exactly Rate events
//     in each second.
//   - With a Pace no event comes before its stamp, counted from the first Read,
//     and none later than 5 ms behind it while the reader keeps up.
//   - After Duration, or Close, Read returns io.EOF.
package sim
