package main

import (
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"canseal/can"
	"canseal/certs"
	"canseal/internal/durable"
	"canseal/mdf"
	"canseal/segment"
)

const cardBegin = 1_795_176_000_000_000_000 // 2026-11-20 12:00 UTC

// makeCard writes a card with a session of three sealed segments: card DIR
// [AUTHORITY]. They are signed when there is a file for who issued the device's
// certificate. Of its 30 frames every second is authentic; the second segment tells of a gap,
// and frame 5 is ciphertext.
func makeCard(ts *testscript.TestScript, _ bool, args []string) {
	root := ts.MkAbs(args[0])
	c := segment.Card{FS: durable.Dir(root), Device: "A1B2C3D4"}
	prev := segment.FirstPrev
	var key crypto.Signer
	if len(args) > 1 {
		key = makeIdentity(ts, root, ts.MkAbs(args[1]))
	}
	for split := uint32(1); split <= 3; split++ {
		n := segment.Name{Session: 7, Split: split}
		name := filepath.Join(root, filepath.FromSlash(c.Path(n, segment.Sealed)))
		ts.Check(os.MkdirAll(filepath.Dir(name), 0o777))
		writeSegment(ts, name, split)
		content, err := os.ReadFile(name)
		ts.Check(err)
		sum := sha256.Sum256(content)
		at := time.Unix(0, segmentBegin(split)).UTC()
		line := segment.SealLine{
			Device: c.Device, Session: 7, Split: split, Start: at, First: at, Last: at, Form: "raw", Size: int64(len(content)),
			SHA256: hex.EncodeToString(sum[:]), Frames: 10, End: "orderly", Clock: "synchronised", Config: segment.FirstPrev, Prev: prev,
		}
		if key != nil {
			line, err = line.Signed(key)
			ts.Check(err)
		}
		ts.Check(c.AppendSeal(7, line))
		prev = line.Hash()
	}
}

// makeIdentity gives a card a device.crt, and writes who issued it.
func makeIdentity(ts *testscript.TestScript, root, authority string) crypto.Signer {
	a, err := certs.NewAuthority("fleet", time.Now(), time.Hour)
	ts.Check(err)
	ts.Check(os.WriteFile(authority, certs.EncodeCertificates(a.Certificate), 0o666))
	key, err := certs.NewKey("")
	ts.Check(err)
	crt, err := a.Sign(key.Public(), certs.Leaf{Name: "A1B2C3D4", Client: true, Life: time.Hour}, time.Now())
	ts.Check(err)
	ts.Check(os.MkdirAll(root, 0o777))
	ts.Check(os.WriteFile(filepath.Join(root, certs.DeviceCertificate), certs.EncodeCertificates(crt), 0o666))
	return key
}

func segmentBegin(split uint32) int64 { return cardBegin + int64(split)*1e9 }

// segmentFile is a file for package mdf.
type segmentFile struct{ *os.File }

func (f segmentFile) Size() (int64, error) {
	info, err := f.Stat()
	return info.Size(), err
}

func writeSegment(ts *testscript.TestScript, name string, split uint32) {
	f, err := os.Create(name)
	ts.Check(err)
	defer f.Close()
	begin := segmentBegin(split)
	w, err := mdf.Create(segmentFile{f}, mdf.Header{Start: begin, Device: "A1B2C3D4", Session: 7, Split: split, Version: "0.1.0", BootID: "one"})
	ts.Check(err)
	clock := mdf.Clock{Time: begin, Wall: begin, Boot: begin - cardBegin, Synchronised: true}
	ts.Check(w.Append(clock))
	for i := range int64(10) {
		frame := mdf.Frame{Encrypted: i == 5}
		frame.Event = can.Event{Time: begin + i*1e6, Bus: 1, Frame: can.Frame{ID: 0x100, DLC: 4, Len: 4, Data: [64]byte{0: byte(i), 2: byte(split)}}}
		if i%2 == 0 {
			frame.Verdict = can.Authentic
		}
		ts.Check(w.Append(&frame))
	}
	if split == 2 {
		ts.Check(w.Append(mdf.Gap{Time: begin + 20e6, From: begin + 9e6, To: begin + 20e6, Count: 4, Bus: 1, Reason: can.LostQueue}))
	}
	clock.Time, clock.Wall, clock.Boot = begin+30e6, begin+30e6, begin+30e6-cardBegin
	ts.Check(w.Finish(clock))
}
