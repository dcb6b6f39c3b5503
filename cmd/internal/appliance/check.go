package appliance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"time"

	"canseal/certs"
	"canseal/config"
	"canseal/internal/clock"
	"canseal/internal/durable"
	"canseal/segment"
	"canseal/uploader"
	"canseal/uploader/s3"
)

// CheckResult is what stands against a configuration, and what to know.
type CheckResult struct {
	File     string           `json:"file"`
	Problems []config.Problem `json:"problems"`
	Notes    []string         `json:"notes"`
}

// Check reads a configuration as the daemon would, with the trust bundle that
// lies beside it. The error is for a file that cannot be read.
func Check(file string) (*CheckResult, error) {
	text, err := readLimited(file, maxConfig)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, noConfiguration(file)
	}
	if err != nil {
		return nil, err
	}
	r := &CheckResult{File: file, Notes: []string{}}
	c, problems := CheckConfig(text)
	if r.Problems = problems; len(problems) > 0 {
		return r, nil
	}
	r.Problems = []config.Problem{}
	for _, w := range c.Warnings() {
		r.Notes = append(r.Notes, w.Error())
	}
	if c.Upload.Mode.Row().Server && c.TLS.Trust == "bundle" {
		r.bundle(c, filepath.Dir(file))
	}
	if c.Upload.Mode.Row().Device {
		r.certificate(filepath.Dir(file))
	}
	return r, nil
}

func (r *CheckResult) bundle(c *config.Config, dir string) {
	bundle, err := loadBundle(c, durable.Dir(dir), time.Now())
	if err != nil {
		r.Problems = append(r.Problems, config.Problem{Path: "upload.mode", Got: string(c.Upload.Mode), Want: "a trust bundle beside the file", Hint: err.Error()})
	}
	if bundle != nil {
		r.Notes = append(r.Notes, bundle.Notes...)
	}
}

// certificate judges device.crt as far as it can be judged without its key,
// which the card does not have.
func (r *CheckResult) certificate(dir string) {
	err := certs.CheckDeviceCertificate(durable.Dir(dir), certs.IdentityOptions{})
	if err != nil {
		r.Problems = append(r.Problems, config.Problem{Path: "upload.mode", Got: string(config.ModeHigh), Want: "this device's certificate beside the file", Hint: err.Error()})
	}
}

// CheckStore makes one handshake and one signed write with the settings of a
// card: the device's device.json, as it lies there. Where the store answers, it
// then finds out what the store can do and what the key pair may do there.
func CheckStore(ctx context.Context, o Options) (s3.Report, error) {
	card := durable.Dir(o.Root)
	s, err := loadSettings(card, o)
	if err != nil {
		return s3.Report{}, err
	}
	if s.Upload.Mode == config.ModeOff {
		return s3.Report{}, WithExit(ExitConfig, errUploadsOff)
	}
	state := durable.Dir(StateDir(o.Root, o.StateDir))
	_, trust, _ := clock.Load(state) // without it the build time is the floor
	options, _, err := s3Options(s, card, state, clock.New(clock.Options{Trust: trust}))
	if err != nil {
		return s3.Report{}, err
	}
	options.Memory = s3.OpenMemory(state, false, nil)
	client, err := s3.New(options)
	if err != nil {
		return s3.Report{}, err
	}
	defer client.Close()
	key, content, err := checkObject(card, state, s)
	if err != nil {
		return s3.Report{}, err
	}
	report, err := client.Check(ctx, key, content)
	if err == nil || uploader.ClassOf(err) == uploader.Quirk {
		probe := client.Probe(ctx, path.Dir(key), content)
		report.Probe = &probe
	}
	return report, err
}

var errUploadsOff = errors.New("upload.mode is off: there is no store to check")

// checkObject is the device's own device.json as it lies on the card, else the
// least that says who asks. Nothing is written under a name that may not be
// this device's.
func checkObject(card, state durable.FS, s *settings) (key string, content []byte, err error) {
	var known struct{ ID string }
	content, err = durable.ReadFile(card, factsFile, 64<<10)
	if err != nil || json.Unmarshal(content, &known) != nil || known.ID == "" {
		known.ID = knownDevice(card, state, s)
		content = fmt.Appendf(nil, "{\"id\":%q,\"type\":%q,\"v\":1}\n", known.ID, deviceType)
	}
	if _, err := segment.ParseDevice(known.ID); err != nil {
		return "", nil, WithExit(ExitConfig, errWhichDevice)
	}
	return path.Join(s.Upload.Prefix, known.ID, factsFile), content, nil
}

// knownDevice is the DEVICEID that the configuration, the state folder or the
// card names; "" when none does.
func knownDevice(card, state durable.FS, s *settings) string {
	if s.Device.ID != "" {
		return s.Device.ID
	}
	if id, err := durable.ReadFile(state, "id", 100); err == nil {
		return strings.TrimSpace(string(id))
	}
	if devices, err := segment.Devices(segment.Card{FS: card}); err == nil && len(devices) == 1 {
		return string(devices[0])
	}
	return ""
}
