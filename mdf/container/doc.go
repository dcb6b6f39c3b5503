// Package container opens the "Generic File" container of the CANedge: logs
// that are compressed (.MFC), encrypted (.MFE) or both (.MFM).
//
//	 0  "Generic File"
//	12  version (2)
//	14  0x11 encrypted, 0x22 compressed
//	15  0x01
//	16  device id, big-endian
//	20  compressed: u32 lookahead bits, u32 bytes of the window, from 28 heatshrink
//	20  encrypted:  12 bytes IV, u32 iterations, 16 bytes salt, from 52 ciphertext, 16 bytes tag
//
// Numbers are big-endian. The key is PBKDF2-HMAC-SHA256 of the password, the
// cipher AES-256-GCM, the associated data the 52 bytes of the head. A .MFM file
// is a compressed container inside an encrypted one.
//
// Heatshrink (LZSS), most significant bit first: 1 and eight bits are a
// literal; 0, an index and a count are a reference to count + 1 bytes that
// stand index + 1 bytes before. What stands before the begin is zero.
//
// # Promises
//
//   - Content is read at random; nothing is held but 1 KiB per window of output
//     and a few buffers: an encrypted file is decrypted where it is read, of a
//     compressed one the state of the decoder is noted now and then.
//   - Nothing of an encrypted file is handed out before its tag is right.
//   - Iterations, window, lookahead, size and depth are bounded.
package container
