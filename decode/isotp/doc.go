// Package isotp puts the messages of ISO 15765-2 together.
package isotp
