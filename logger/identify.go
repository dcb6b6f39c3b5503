package logger

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strings"

	"canseal/internal/durable"
	"canseal/segment"
)

// Sources of a DEVICEID, as device.json names them (`device.id_source`).
const (
	IDFromConfig = "config"
	IDFromBoard  = "board"
	IDFromMAC    = "mac"
	IDRandom     = "random"
)

// idFile keeps the random DEVICEID in the state folder.
const idFile = "id"

// Identify finds the DEVICEID: the configured one; else the first 4 bytes of
// SHA-256 over the board's serial number; else the last 4 bytes of the first
// usable of macs (permanent addresses, interfaces by name); else a random one,
// made once and kept in state/id. Nothing that a cloned card or image carries
// comes before what the hardware says.
//
// An error beside a valid device means that the random id could not be kept:
// the next start will find another one.
func Identify(configured, boardSerial string, macs []string, state durable.FS, random io.Reader) (segment.Device, string, error) {
	if configured != "" {
		device, err := segment.ParseDevice(configured)
		return device, IDFromConfig, err
	}
	if serial, ok := usableSerial(boardSerial); ok {
		sum := sha256.Sum256([]byte(serial))
		return deviceOf(sum[:4]), IDFromBoard, nil
	}
	for _, mac := range macs {
		if a, err := net.ParseMAC(mac); err == nil && len(a) == 6 && usableMAC(a) {
			return deviceOf(a[2:]), IDFromMAC, nil
		}
	}
	device, err := randomDevice(state, random)
	return device, IDRandom, err
}

// usableSerial sorts out what makers leave in the field instead of a number.
func usableSerial(serial string) (string, bool) {
	serial = strings.Trim(serial, " \t\r\n\x00")
	junk := len(serial) < 6 ||
		strings.Count(serial, serial[:1]) == len(serial) ||
		strings.HasPrefix(strings.ToLower(serial), "to be filled") ||
		strings.EqualFold(serial, "Default string") ||
		strings.EqualFold(serial, "None")
	return serial, !junk
}

func usableMAC(a net.HardwareAddr) bool {
	s := a.String()
	return s != "00:00:00:00:00:00" && s != "ff:ff:ff:ff:ff:ff"
}

func deviceOf(b []byte) segment.Device { return segment.Device(fmt.Sprintf("%08X", b)) }

func randomDevice(state durable.FS, random io.Reader) (segment.Device, error) {
	text, err := durable.ReadFile(state, idFile, 64)
	if err == nil {
		if device, err := segment.ParseDevice(strings.TrimSpace(string(text))); err == nil {
			return device, nil
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, durable.ErrTooLarge) {
		err = fmt.Errorf("kept device id: %w", err)
	} else {
		err = nil
	}
	var b [4]byte
	if _, readErr := io.ReadFull(random, b[:]); readErr != nil {
		return "", fmt.Errorf("random device id: %w", errors.Join(err, readErr))
	}
	device := deviceOf(b[:])
	return device, errors.Join(err, durable.WriteFile(state, idFile, []byte(string(device)+"\n"), 0o600))
}
