package uploader

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Object is what is put into the store.
type Object struct {
	Key    string
	Body   io.ReadSeeker
	Size   int64    // bytes of Body
	SHA256 [32]byte // of Body
	Meta   map[string]string
}

// Checksum is the store's own word about an object's content.
type Checksum struct {
	Algorithm string // SHA256; CRC32C or MD5 only as a quirk of a store
	Type      string // FULL_OBJECT or COMPOSITE
	Value     string // base64
}

// Stored is what the store says of an object.
type Stored struct {
	Size      int64
	Checksum  Checksum // zero when the store names none
	ETag      string
	VersionID string
}

// Store is the bucket as the uploader needs it. Errors are *Error.
type Store interface {
	// Create puts an object under a key that must be free (If-None-Match).
	Create(ctx context.Context, o Object) (Stored, error)
	// Replace puts an object, whatever is there.
	Replace(ctx context.Context, o Object) (Stored, error)
	// Stat tells what is there, with the store's checksum.
	Stat(ctx context.Context, key string) (Stored, error)
}

// Class says what an error means. uploader/s3 decides it, this package acts
// on it (table Actions).
type Class uint8

const (
	Unknown           Class = iota
	Network                 // dial, DNS, reset, EOF, timeout, stall
	Busy                    // 5xx, 429, SlowDown
	Transfer                // the body did not arrive as it was sent
	Confirmed               // the object is there and equals ours
	KeyConflict             // the key holds other bytes
	CannotCompare           // the key is taken and its content cannot be read
	CannotTell              // 403 on Stat while writes are accepted
	TooLarge                // the store takes no object of this size
	Quirk                   // the store lacks a feature that was asked for
	Clock                   // our time is wrong for the store or for its certificate
	Credentials             // the store refuses this key pair
	NoneThere               // nothing under an over-the-air name
	Config                  // endpoint, bucket, region or protocol are wrong
	Trust                   // the server is not one that we trust
	Identity                // this device's certificate is refused
	IdentitySuspected       // the same, by a word that may be forged
	StoreFull               // quota
	LocalCorruption         // the file differs from its seal record
	Unreadable              // the card does not give the file; nothing is known of its bytes
)

var classNames = [...]string{
	"unknown", "network", "busy", "transfer", "confirmed", "key_conflict", "cannot_compare", "cannot_tell", "too_large", "quirk",
	"clock", "credentials", "none_there", "config", "trust", "identity", "identity_suspected", "store_full", "local_corruption",
	"unreadable",
}

func (c Class) String() string {
	if int(c) < len(classNames) {
		return classNames[c]
	}
	return fmt.Sprintf("class %d", uint8(c))
}

// Error is a refusal or failure of the store. Of the server's words it keeps
// only Code and RequestID: the message may echo secrets.
type Error struct {
	Class      Class
	Status     int    // HTTP status, 0: none
	Code       string // [A-Za-z0-9]{1,64}, empty: none
	RequestID  string
	RetryAfter time.Duration
	Err        error // our own side of it; never the server's message
}

func (e *Error) Error() string {
	s := e.Class.String()
	if e.Status != 0 {
		s += fmt.Sprintf(": status %d", e.Status)
	}
	if e.Code != "" {
		s += " " + e.Code
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// ClassOf returns the class of an error from a Store.
func ClassOf(err error) Class {
	var e *Error
	if errors.As(err, &e) {
		return e.Class
	}
	return Unknown
}
