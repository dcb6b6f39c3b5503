package logger

import (
	"bytes"
	"errors"
	"strings"
	"syscall"
	"testing"

	"canseal/internal/durable/memfs"
	"canseal/segment"
)

func TestTheDeviceIsNamedAfterTheHardware(t *testing.T) {
	const mac = "b8:27:eb:12:34:56"
	for _, row := range []struct {
		name, configured, serial string
		macs                     []string
		want                     segment.Device
		source                   string
	}{
		{"configured", "0A1B2C3D", "10000000abcdef01", []string{mac}, "0A1B2C3D", IDFromConfig},
		{"board", "", " 10000000abcdef01\n", []string{mac}, "F4B7B4A2", IDFromBoard},
		{"short serial", "", "12345", []string{mac}, "EB123456", IDFromMAC},
		{"one character", "", "0000000000000000", []string{mac}, "EB123456", IDFromMAC},
		{"to be filled", "", "To be filled by O.E.M.", []string{mac}, "EB123456", IDFromMAC},
		{"default string", "", "Default string", []string{mac}, "EB123456", IDFromMAC},
		{"none", "", "None", []string{mac}, "EB123456", IDFromMAC},
		{"no address", "", "", []string{"00:00:00:00:00:00", "nonsense", mac}, "EB123456", IDFromMAC},
		{"nothing", "", "", nil, "01020304", IDRandom},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, source, err := Identify(row.configured, row.serial, row.macs, memfs.New(), bytes.NewReader([]byte{1, 2, 3, 4}))
			if row.source == IDFromBoard {
				row.want = got // only that it is the same each time counts
			}
			if err != nil || got != row.want || source != row.source {
				t.Errorf("found %s from %s (%v), wanted %s from %s", got, source, err, row.want, row.source)
			}
			if _, err := segment.ParseDevice(string(got)); err != nil {
				t.Error(err)
			}
		})
	}
	if _, _, err := Identify("abc", "", nil, memfs.New(), strings.NewReader("")); err == nil {
		t.Error("a configured id of three letters was taken")
	}
}

func TestARandomDeviceIsKept(t *testing.T) {
	state := memfs.New()
	first, _, err := Identify("", "", nil, state, strings.NewReader("abcd"))
	if err != nil {
		t.Fatal(err)
	}
	again, source, err := Identify("", "", nil, state, strings.NewReader("wxyz"))
	if err != nil || again != first || source != IDRandom {
		t.Errorf("found %s (%v), wanted %s again", again, err, first)
	}
	state.ReadOnly(true)
	state.FailAt(state.Ops()+1, syscall.EIO)
	if got, _, err := Identify("", "", nil, state, strings.NewReader("wxyz")); err == nil || got != "7778797A" {
		t.Errorf("a state folder that fails: found %s, %v; wanted a device and the error", got, err)
	}
}

func TestTwoBoxesFromOneImageDiffer(t *testing.T) {
	image := memfs.New() // the same state folder and card in both
	a, _, errA := Identify("", "1000000012345678", nil, image, strings.NewReader("abcd"))
	b, _, errB := Identify("", "1000000012345679", nil, image, strings.NewReader("abcd"))
	if err := errors.Join(errA, errB); err != nil || a == b {
		t.Errorf("found %s and %s (%v), wanted two", a, b, err)
	}
}
