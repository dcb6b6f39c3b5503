package uploader

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// Object is what is put into the store.
type Object struct {
	Key    string
	Body   io.ReadSeeker
	Size   int64    // bytes of Body
	SHA256 [32]byte // of Body
	Meta   map[string]string
	// Send is the checksum that travels with a put where the store does not
	// take a SHA-256 (quirk): CRC32C or MD5, as Value base64. Zero: the SHA-256.
	Send Checksum
	// Proofs are words of a store that mean this content too: the composite of
	// its parts, or what a quirk lets count.
	Proofs []Checksum
}

// Checksum is the store's own word about an object's content.
type Checksum struct {
	Algorithm string // SHA256; CRC32C or MD5 only as a quirk of a store
	Type      string // FULL_OBJECT or COMPOSITE
	Value     string // base64, with -N after it for N parts; of MD5 the ETag, in hex
}

// Types of checksums.
const (
	FullObject = "FULL_OBJECT"
	Composite  = "COMPOSITE"
)

// Stored is what the store says of an object.
type Stored struct {
	Size      int64
	Checksum  Checksum // zero when the store names none
	ETag      string
	VersionID string
}

// Match compares what the store holds with the object: Confirmed and the word
// of the store that proves it, KeyConflict where it is another object, or
// CannotCompare where the store says too little.
func (o Object) Match(s Stored) (Checksum, Class) {
	proofs := append([]Checksum{{"SHA256", FullObject, base64.StdEncoding.EncodeToString(o.SHA256[:])}}, o.Proofs...)
	comparable := false
	for _, want := range proofs {
		got := s.Checksum
		if want.Algorithm == "MD5" && got == (Checksum{}) {
			got = Checksum{"MD5", want.Type, s.ETag}
		}
		if s.Size == o.Size && got == want {
			return want, Confirmed
		}
		comparable = comparable || got.Value != "" && form(got) == form(want)
	}
	if s.Size == o.Size && !comparable {
		return Checksum{}, CannotCompare
	}
	return Checksum{}, KeyConflict
}

// form is what two checksums must share to be comparable: all but the digest.
func form(c Checksum) Checksum {
	_, parts, _ := strings.Cut(c.Value, "-")
	c.Value = parts
	return c
}

// Store is the bucket as the uploader needs it. Errors are *Error. Its methods
// are called by several goroutines.
type Store interface {
	// Create puts an object under a key that must be free (If-None-Match).
	Create(ctx context.Context, o Object) (Stored, error)
	// Replace puts an object, whatever is there.
	Replace(ctx context.Context, o Object) (Stored, error)
	// Stat tells what is there, with the store's checksum.
	Stat(ctx context.Context, key string) (Stored, error)

	// Begin begins a multipart upload and returns it with its ID. Only Key and
	// ETagOnly of u count.
	Begin(ctx context.Context, u Upload, meta map[string]string) (Upload, error)
	// PutPart sends one part and returns the store's ETag of it.
	PutPart(ctx context.Context, u Upload, p Part, body io.ReadSeeker) (etag string, err error)
	// Parts lists what has arrived of an upload: number, size, ETag, and
	// SHA256 as far as the store tells. An upload that is gone is of class
	// NoneThere.
	Parts(ctx context.Context, u Upload) ([]Part, error)
	// Complete makes the object; with create only where its key is free, as
	// Create does.
	Complete(ctx context.Context, u Upload, o Object, parts []Part, create bool) (Stored, error)
	// Abort forgets an upload. One that is gone is no error.
	Abort(ctx context.Context, u Upload) error
}

// Upload is a multipart upload.
type Upload struct {
	Key, ID  string
	ETagOnly bool // the store compares no SHA-256 of parts (quirk)
}

// Part is one part of an upload.
type Part struct {
	Number int // from 1
	Size   int64
	SHA256 [32]byte
	MD5    [16]byte // where the upload is ETagOnly
	ETag   string
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
