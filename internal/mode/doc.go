// Package mode is the table of the three security modes of the way to the
// bucket. Whoever decides by the mode asks its row.
//
//	                      low        medium                    high
//	endpoint              http       https                     https
//	requests signed       yes        yes                       yes
//	body                  each chunk inside TLS                inside TLS
//	                      signed
//	server's identity     none       bundle, name, dates       the same
//	device's identity     none       none                      certificate, after the server's
//	receipts prove        plain      tls                       tls
//	settings from the     signed     signed or unsigned        signed or unsigned
//	bucket
//	needs                 keys       and a bundle              and device.crt, device.key
//
// A mode whose needs are missing uploads nothing and says what is missing. No
// mode ever becomes another by itself.
package mode
