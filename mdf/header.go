package mdf

import "time"

// Header is what a file says about itself besides its records.
type Header struct {
	Start        int64  // ns since 1970-01-01 UTC; time 0 of the records
	Version      string // of canseal, "1.2.3"
	Device       string // DEVICEID, 8 upper-case hex digits
	StorageTotal int64  // KiB
	StorageFree  int64  // KiB
	StorageID    string // card CID in hex; empty: unknown
	ConfigCRC32  uint32 // IEEE, of the configuration file
	Session      uint32
	Split        uint32
	Comment      string        // device.meta, at most 30 characters
	BootID       string        // the kernel's UUID of this boot
	ClockOffset  int64         // ns added to all stamps
	Flush        time.Duration // longest time a record stays in memory
	ConfigSHA256 string        // of the configuration file, hex
	BitRates     [8]uint32     // bit/s of bus 1-8; 0: unknown
	Plain        bool          // plaintext of encrypted frames is logged too
	Judged       string        // of a file that canseal judge made: SHA-256 of the one judged, hex
	Judge        string        // and the version of that judge
	Cancrypt     []Cancrypt    // of the judged buses, at most one of each
}

// Cancrypt is how a bus was judged. It names the key's slot, never the key.
type Cancrypt struct {
	Bus      uint8  // 1-8
	Role     string // judge (an observer) or member
	Profile  string
	Level    string
	Key      int // slot of the group key
	Methods  uint16
	Members  []uint8
	Table    []byte // records of 8 bytes, without the checksum
	TableCRC uint16
}
