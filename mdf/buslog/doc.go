// Package buslog reads MDF 4 files with the frames of a bus, whoever made them:
// canseal in every state of a segment's life, the CANedge in both its layouts,
// asammdf, python-can and mdflib. What such a file says of its own layout is
// followed channel by channel; nothing is known by position but the names that
// ASAM gives to the channels of bus logging.
//
// # From blocks to items
//
//	HD ─ DG ─ CG ─ CN, CC      groups: how a record becomes a frame
//	      └─ DT, DL, HL, DZ    flow: the bytes of the records, one after the other
//	                           stream: records of one DG, with VLSD payloads
//	     all streams           merge: the stream whose next record is the oldest
//	                           window: records that step back in time
//	                           Item: a frame, a side record of ours, or raw bytes
//
//	group with a channel            becomes
//	CAN_DataFrame, CAN_RemoteFrame,
//	CAN_ErrorFrame                  frames
//	CANseal_...                     side records of package mdf
//	anything else (LIN, sensors)    raw items, with the name of the group
//
// Members may be bits anywhere, constants (virtual channels), numbers through a
// linear or table conversion, payloads of fixed length, of greatest length
// (MLSD), in an SD block or as VLSD records of the same data group.
//
// # Order
//
// Items come by time. Records of equal time come in the order of the file, in
// files of ours by record id before that. To know how far times go back the
// file is walked once before (Survey), times only; the window then holds just
// the records of that span, at most Options.Window bytes. Where that is not
// enough, items come late and are counted (Report.Late). A sorted file of ours
// is not walked twice, unless another program saved it since.
//
// # What does not fit
//
//	a classic DLC above 8 with a length by table   8 bytes
//	DLC and length that contradict each other      the length counts; FD is filled up with zeros
//	no IDE                                         bit 31 of ID
//	no EDL                                         FD if there are more than 8 bytes
//	CAN_ErrorFrame of others                       a message of the kernel of the same type
//	BusChannel 0 (python-can)                      Bus 0
//
// # What a file can cost
//
//   - Each block of records is visited once: the lengths of all blocks visited
//     may not exceed the size of the file.
//   - Memory is bounded by constants of this package and Options.Window,
//     whatever the file claims; counts are checked before anything is made.
//   - Frames whose payloads stand apart in VLSD records find them by position.
//     Behind damage a group's positions count again from the first frame that is
//     followed by a payload of its length; what cannot be told is left out.
//   - A damaged block costs that block. A record id that is not declared costs
//     the bytes up to where sixteen records in a row make sense again. A record
//     with impossible values costs that record. All is counted in Report.
//
// An error ends reading: the file cannot be read, or its head is not MDF 4.
package buslog
