package appliance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"canseal/config/ota"
	"canseal/internal/clock"
	"canseal/internal/durable"
	"canseal/internal/run"
	"canseal/logger"
	"canseal/uploader"
	"canseal/uploader/s3"
)

// factsFile is device.json: on the card, in the bucket, and over the local
// socket the same bytes (docs/formats.md C7).
const factsFile = "device.json"

// deviceType stands where a CANedge says which model it is.
const deviceType = "000C5EA1"

// hardwareVersion is unknown to a program that runs on any board.
const hardwareVersion = "00.00"

// Facts is device.json. First the fields that tools for the CANedge read, then
// one section per component.
type Facts struct {
	ID              string               `json:"id"`
	Type            string               `json:"type"`
	KPub            string               `json:"kpub"`
	FwVer           string               `json:"fw_ver"`
	HwVer           string               `json:"hw_ver"`
	CfgVer          string               `json:"cfg_ver"`
	CfgName         string               `json:"cfg_name"`
	CfgCRC32        string               `json:"cfg_crc32"`
	SchName         string               `json:"sch_name"`
	LogMeta         string               `json:"log_meta"`
	SpaceUsedMB     string               `json:"space_used_mb"`
	SDInfo          string               `json:"sd_info"`
	SDUsedLifespan  string               `json:"sd_used_lifespan"`
	ResetCause      string               `json:"reset_cause"`
	CertsServer     []string             `json:"certs_server_sha256"`
	CertsServerFile string               `json:"certs_server_file_sha256,omitempty"`
	CertsServerSet  string               `json:"certs_server_set_sha256,omitempty"`
	V               int                  `json:"v"`
	Time            string               `json:"time"`
	TimeState       string               `json:"time_state"`
	Device          deviceFacts          `json:"device"`
	Clock           clock.Status         `json:"clock"`
	Log             logger.LogStatus     `json:"log"`
	Buses           []logger.BusStatus   `json:"buses"`
	Cancrypt        []logger.CryptStatus `json:"cancrypt"`
	Upload          uploader.Status      `json:"upload"`
	TLS             s3.Status            `json:"tls"`
	Settings        ota.Status           `json:"settings"`
	Link            *linkFacts           `json:"link,omitempty"`
	System          systemFacts          `json:"system"`
}

type deviceFacts struct {
	IDSource                string `json:"id_source"`
	Build                   string `json:"build"`
	Started                 string `json:"started"`
	UptimeS                 int64  `json:"uptime_s"`
	BootID                  string `json:"boot_id"`
	SecretsOnRemovableMedia bool   `json:"secrets_on_removable_media"`
}

type systemFacts struct {
	RSSBytes   int64        `json:"rss_bytes"`
	CPUMS      int64        `json:"cpu_ms"`
	WatchdogMS int64        `json:"watchdog_ms"`
	Wear       wearFacts    `json:"wear"`
	DriveEnd   *driveEnd    `json:"drive_end,omitempty"` // the last one of this run
	Components []run.Status `json:"components"`
}

// collect looks at every component once.
func (a *Appliance) collect() Facts {
	now := a.clock.Now()
	recording := a.live().logger.Status()
	f := Facts{
		ID: string(a.device), Type: deviceType, FwVer: paddedVersion(Version), HwVer: hardwareVersion, CfgVer: "01.00", CfgName: configFile,
		CfgCRC32: fmt.Sprintf("%08X", a.live().settings.CRC32()), SchName: schemaFile, LogMeta: a.live().settings.Device.Meta,
		SpaceUsedMB: spaceUsed(recording.Log.Card), SDInfo: a.machine.CardID(), SDUsedLifespan: "?", ResetCause: a.reset,
		CertsServer: []string{}, V: 1, Time: rfc3339(now.Time), TimeState: now.State(), Device: a.deviceFacts(),
		Clock: a.clock.Status(), Log: recording.Log, Buses: recording.Buses, Cancrypt: a.cryptFacts(recording),
		Settings: a.settingsFacts(), Link: a.linkFacts(), System: a.systemFacts(recording.Log.Card.Written),
	}
	a.collectUpload(&f, recording)
	return f
}

// cryptFacts is how the buses are judged, and what their members do.
func (a *Appliance) cryptFacts(recording logger.Status) []logger.CryptStatus {
	all := append([]logger.CryptStatus{}, recording.Cancrypt...)
	for _, m := range a.members {
		all = append(all, m.status())
	}
	return all
}

// Facts is device.json as it is now.
func (a *Appliance) Facts() Facts { return a.collect() }

// StatusJSON is device.json as it is now.
func (a *Appliance) StatusJSON() []byte {
	f := a.collect()
	return f.encode()
}

// maxFacts bounds device.json in bytes.
const maxFacts = 64 << 10

// encode writes device.json. If it is too long, the names of certificates go
// first: their hashes still tell which they are.
func (f *Facts) encode() []byte {
	b := marshal(f)
	if len(b) > maxFacts && f.TLS.Bundle != nil {
		short := *f.TLS.Bundle
		short.Certificates = slices.Clone(short.Certificates)
		for i := range short.Certificates {
			c := &short.Certificates[i]
			c.Subject, c.Issuer = shortened(c.Subject), shortened(c.Issuer)
		}
		f.TLS.Bundle = &short
		b = marshal(f)
	}
	return b
}

// shortened cuts a name to 100 characters.
func shortened(name string) string {
	if runes := []rune(name); len(runes) > 100 {
		return string(runes[:99]) + "…"
	}
	return name
}

func marshal(f *Facts) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(f); err != nil { // a NaN or a cycle: neither can be in these types
		panic("device.json: " + err.Error())
	}
	return b.Bytes()
}

func (a *Appliance) collectUpload(f *Facts, recording logger.Status) {
	if a.live().uploader == nil {
		f.Upload.Mode, f.Upload.State = "off", "off"
		return
	}
	f.Upload = a.live().uploader.Status()
	f.Upload.PlainDeleted = recording.PlainDeleted
	f.TLS, f.Clock.Skew = a.live().store.Status(), a.live().store.skew()
	if bundle := a.live().store.Bundle(); bundle != nil {
		f.CertsServer, f.CertsServerFile, f.CertsServerSet = bundle.SHA256(), bundle.FileSHA256, bundle.SetSHA256
	}
}

func (a *Appliance) deviceFacts() deviceFacts {
	return deviceFacts{
		IDSource: a.idSource, Build: buildID(), Started: rfc3339(a.started.UnixNano() + a.clock.Offset()),
		UptimeS: int64(time.Since(a.started) / time.Second), BootID: clock.BootID(),
		SecretsOnRemovableMedia: strings.HasPrefix(absolutePath(a.o.StateDir)+"/", absolutePath(a.o.Root)+"/"),
	}
}

func (a *Appliance) systemFacts(segments int64) systemFacts {
	rss, cpu := usage(a.o.Machine)
	f := systemFacts{
		RSSBytes: rss, CPUMS: cpu.Milliseconds(), WatchdogMS: run.WatchdogInterval().Milliseconds(),
		Wear: a.machine.Wear(a.o.Root).since(a.wear, segments), DriveEnd: a.drive.facts(), Components: []run.Status{},
	}
	for _, s := range a.services {
		f.Components = append(f.Components, s.Status())
	}
	return f
}

// eventTime is the moment and place of a line in events.jsonl.
func (a *Appliance) eventTime() eventTime {
	now := a.clock.Now()
	at := eventTime{Time: now.Time, Quality: now.State(), Boot: time.Duration(now.Boot)}
	if a.live().logger != nil {
		s := a.live().logger.Status().Log
		at.Session, at.Split = s.Session, s.Split
	}
	return at
}

// factsWriter keeps device.json on the card: at the start, when states have
// changed (at most once in 10 s), and at least every 5 minutes.
type factsWriter struct {
	card    durable.FS
	log     *slog.Logger
	collect func() Facts
	last    string // states as last written
}

func newFactsWriter(card durable.FS, log *slog.Logger, collect func() Facts) *factsWriter {
	return &factsWriter{card: card, log: log, collect: collect}
}

func (w *factsWriter) String() string { return "device.json" }

// Pauses between looks, and between two writes of the same states.
const (
	factsLook  = 10 * time.Second
	factsStale = 5 * time.Minute
)

// Run writes until ctx ends.
func (w *factsWriter) Run(ctx context.Context) error {
	tick := time.NewTicker(factsLook)
	defer tick.Stop()
	written := time.Time{}
	for {
		f := w.collect()
		if states := f.states(); (states != w.last || time.Since(written) >= factsStale) && w.put(f) {
			w.last, written = states, time.Now()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// write puts the present facts on the card.
func (w *factsWriter) write() { w.put(w.collect()) }

// put reports whether the card took them; its state says why not.
func (w *factsWriter) put(f Facts) bool {
	err := durable.WriteFile(w.card, factsFile, f.encode(), 0o644)
	if err != nil {
		w.log.Debug("device.json not written", "error", err)
	}
	return err == nil
}

// states is what makes device.json worth writing again: words, not counters.
func (f *Facts) states() string {
	words := []string{f.TimeState, f.Log.State, f.Log.Card.State, f.Upload.State, f.Upload.Class, f.Upload.Reason, fmt.Sprint(f.Log.Session, f.Log.Split)}
	for _, o := range []ota.Fact{f.Settings.Config, f.Settings.Bundle, f.Settings.Identity} {
		words = append(words, string(o.State), o.SHA256, o.Candidate)
	}
	for _, b := range f.Buses {
		words = append(words, b.Link, b.Controller, b.Recording, b.Problem, strings.Join(b.Differs, ";"))
	}
	for _, c := range f.Cancrypt {
		words = append(words, c.State, c.Reason)
	}
	for _, c := range f.System.Components {
		words = append(words, c.State)
	}
	return strings.Join(words, "|")
}

// spaceUsed is "used/total" in MiB, as the CANedge writes it.
func spaceUsed(c logger.CardStatus) string {
	return fmt.Sprintf("%d/%d", (c.Total-c.Free)>>20, c.Total>>20)
}

// paddedVersion turns 1.2.3 into 01.02.03.
func paddedVersion(v string) string {
	parts := strings.Split(v, ".")
	for i, p := range parts {
		parts[i] = fmt.Sprintf("%02s", p)
	}
	return strings.Join(parts, ".")
}

func rfc3339(ns int64) string { return time.Unix(0, ns).UTC().Format("2006-01-02T15:04:05Z") }

// buildID is the commit that this program was built from, "" when unknown.
func buildID() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}
