package appliance

import (
	"context"
	"crypto"
	"crypto/rand"
	"fmt"
	"time"

	"canseal/certs"
	"canseal/config"
	"canseal/internal/clock"
	"canseal/internal/run"
	"canseal/logger"
	"canseal/mdf"
	"canseal/segment"
	"canseal/uploader"
	"canseal/uploader/s3"
)

// identify finds out who and when this is.
func (a *Appliance) identify(context.Context) error {
	device, source, err := logger.Identify(a.live().settings.Device.ID, a.machine.BoardSerial(), a.machine.MACs(), a.state, rand.Reader)
	if device == "" {
		return err
	}
	if err != nil {
		a.log.Error("device id not kept", "error", err)
	}
	a.device, a.idSource = device, source
	known, trust, err := clock.Load(a.state)
	if err != nil {
		a.log.Warn("saved clock not read", "error", err)
	}
	a.clock = clock.New(clock.Options{Known: known, Trust: trust, Newest: logger.Newest(segment.Card{FS: a.card, Device: device})})
	a.journal = openJournal(a.card, a.eventTime)
	for _, add := range a.early {
		add()
	}
	a.early = nil
	return nil
}

// wireRecording builds the path from the buses to sealed segments, and
// recovers the card.
func (a *Appliance) wireRecording(context.Context) error {
	a.wear = a.machine.Wear(a.o.Root)
	a.openMQTT(a.live().recorded.Link.MQTT)
	a.links.probes = a.openProbes(a.live().recorded.Config)
	b, err := openBuses(a.o, a.live().recorded.Config, a.links.probes)
	if err != nil {
		return err
	}
	a.change(func(l *live) { l.buses = b })
	recorder, recovery, err := logger.Prepare(a.loggerOptions())
	if err != nil {
		return err
	}
	a.change(func(l *live) { l.logger = recorder })
	a.reset = recovery.LastEnd
	for _, err := range recovery.Problems {
		a.log.Error("recovery", "error", err)
	}
	a.log.Info("card recovered", "repaired", recovery.Repaired, "late", recovery.Late, "removed", recovery.Removed)
	a.journal.Add("start", "canseald "+Version, 0, map[string]any{"before": recovery.LastEnd, "repaired": recovery.Repaired})
	return nil
}

func (a *Appliance) loggerOptions() logger.Options {
	l := a.live().recorded.Log
	return logger.Options{
		Card: a.card, State: a.state, Device: a.device, Clock: a.clock, Source: a.live().buses, Patient: a.o.Patient,
		Header: mdf.Header{
			Version: Version, StorageID: a.machine.CardID(), ConfigCRC32: a.live().recorded.CRC32(), ConfigSHA256: a.live().recorded.SHA256(),
			Comment: a.live().recorded.Device.Meta, BootID: clock.BootID(), BitRates: a.live().buses.bitRates(),
		},
		Buses:     loggerBuses(a.live().recorded.Config, a.groupKey),
		SplitSize: int64(l.SplitSize), SplitTime: l.SplitTime, SplitOffset: l.SplitOffset, Flush: l.Flush,
		KeepFree: logger.Reserve{Percent: l.KeepFree.Percent, Bytes: int64(l.KeepFree.Bytes)}, KeepUnsent: l.Unsent == "keep", Compress: l.Compress,
		LeaveOutErrors: !l.ErrorFrames,
		CheckCard:      a.present,
		CardID:         logger.CardID(a.o.Root),
		Links:          a.live().buses.Links,
		SealKey:        func() (crypto.Signer, error) { return certs.SealKey(a.card, a.state) },
		Sealed:         a.poke,
		Sending:        a.sending,
		Synced:         a.o.Synced,
		Tap:            a.tap,
		Event:          a.event,
		Log:            a.log,
	}
}

// wireServices builds everything that may fail without touching the recording.
func (a *Appliance) wireServices(context.Context) error {
	a.facts = newFactsWriter(a.card, a.log, a.collect)
	services := []run.Component{a.facts, run.Func("clock", a.saveClock), run.Func("power", a.watchPower), run.Func("reload", a.watchReloads)}
	if a.live().settings.Upload.Mode != config.ModeOff {
		a.groups = s3.OpenMemory(a.state, true, a.log)
		st := a.newStore(a.live().settings)
		a.change(func(l *live) { l.store = st })
		up := uploader.New(a.uploaderOptions())
		a.change(func(l *live) { l.uploader = up })
		services = append(services, run.Func(a.live().uploader.String(), a.upload), run.Func("certificates", a.watchCertificates), run.Func("renewal", a.renewCertificate))
	}
	if a.keeper != nil {
		a.keeper.Use(a.ways())
		services = append(services, a.keeper)
	}
	control, err := newControl(a, a.state, a.log)
	if err != nil {
		a.log.Error("no local control", "error", err)
	} else {
		a.control = control
		services = append(services, control)
	}
	for _, t := range a.live().buses.transmitters(a.live().settings.Config, a.log) {
		services = append(services, t)
	}
	for _, m := range a.wireMembers() {
		services = append(services, m)
	}
	services = append(services, a.wireLinks()...)
	if interval := run.WatchdogInterval(); interval > 0 {
		services = append(services, run.Func("watchdog", a.feedWatchdog(interval)))
	}
	if a.live().settings.Device.AliveFile != "" {
		services = append(services, run.Func("alive", a.showAlive))
	}
	for _, c := range services {
		a.services = append(a.services, run.NewService(c, a.log))
	}
	return nil
}

func (a *Appliance) uploaderOptions() uploader.Options {
	u := a.live().settings.Upload
	return uploader.Options{
		Store: a.live().store, Card: segment.Card{FS: a.card, Device: a.device},
		Mode: string(u.Mode), Endpoint: u.Endpoint, Bucket: u.Bucket, Prefix: u.Prefix, Proved: u.Mode.Row().Proved,
		Order: u.Order, Workers: u.Workers, Quirks: uploader.Quirks(u.Quirks),
		Heartbeat: u.Heartbeat, DeviceJSON: a.StatusJSON, EventsJSON: a.journal.Changed, Clock: a.clock,
		Meta:      map[string]string{"hw": hardwareVersion, "fw": paddedVersion(Version)},
		Confirmed: func() { a.live().logger.CardChanged() },
		Log:       a.log, Event: a.journal.Add,
	}
}

// upload asks the bucket once which sessions it knows, then lets the uploader
// work.
func (a *Appliance) upload(ctx context.Context) error {
	a.renumber(ctx)
	for ctx.Err() == nil {
		part, stop := context.WithCancel(ctx)
		go func() {
			select {
			case <-a.exchanged:
				stop()
			case <-part.Done():
			}
		}()
		err := a.live().uploader.Run(part)
		if stop(); err != nil {
			return err
		}
	}
	return nil
}

// renumber lifts the session above those of the bucket: a card and a state
// folder that were both lost must not begin at 1 again. Without an answer the
// number stays; a key that is taken then parks its segment and overwrites
// nothing.
func (a *Appliance) renumber(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	known, err := a.live().store.bucketSession(ctx, a.device)
	if err == nil && known > 0 {
		_, err = a.live().logger.Renumber(ctx, known)
	}
	if err != nil {
		a.log.Info("the bucket was not asked for its last session", "reason", err)
	}
}

// sending tells whether a segment is on its way to the store.
func (a *Appliance) sending(n segment.Name) bool {
	up := a.live().uploader
	return up != nil && up.Sending(n)
}

// poke tells the uploader that a segment is ready.
func (a *Appliance) poke() {
	if a.live().uploader != nil {
		a.live().uploader.Poke()
	}
}

// saveClock keeps the floors: every ten minutes, when trust was won, and at the
// end.
func (a *Appliance) saveClock(ctx context.Context) error {
	tick := time.NewTicker(10 * time.Minute)
	defer tick.Stop()
	for {
		if err := a.clock.Save(a.state); err != nil {
			a.log.Warn("clock not saved", "error", err)
		}
		select {
		case <-ctx.Done():
			return a.clock.Save(a.state)
		case <-tick.C:
		case <-a.clock.Won():
		}
	}
}

// feedWatchdog tells the service manager that the recorder answers. One that
// hangs is left to starve.
func (a *Appliance) feedWatchdog(interval time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
			}
			asked, cancel := context.WithTimeout(ctx, interval)
			err := a.live().logger.Alive(asked)
			cancel()
			if err == nil {
				err = run.Notify(run.Watchdog)
			}
			if err != nil {
				return fmt.Errorf("watchdog: %w", err)
			}
		}
	}
}
