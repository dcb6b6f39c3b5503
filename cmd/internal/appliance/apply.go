package appliance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"canseal/config"
	"canseal/config/ota"
	"canseal/uploader"
)

// errAgain ends a run so that the next is built from other settings.
var errAgain = errors.New("other settings: again from the start")

// errSource: a source that stands in for the buses works once.
var errSource = errors.New("the source of frames cannot be opened again")

// effect is what a changed setting asks for, the mildest first.
type effect uint8

const (
	noted   effect = iota // it is looked up where it is used
	tuned                 // the recorder goes on in a new segment
	rebuilt               // the recorder ends in order, and goes on in the next split after a gap
	again                 // everything ends in order and begins anew, in a new session
)

// effects of settings by the beginning of their path, the first that fits;
// uploads are built anew in any case, which no frame notices.
var effects = []struct {
	path   string
	effect effect
}{
	{"upload.mode", noted}, {"upload.", noted}, {"tls.", noted}, {"ota.", noted}, {"log.level", noted},
	{"log.split_", tuned}, {"log.flush", tuned}, {"device.meta", tuned},
	{"log.", rebuilt}, {"buses[", rebuilt},
}

// local are the parts of a bus that services of their own work with.
var local = []string{".transmit", ".cancrypt", ".configure", ".number"}

// effectOf is the strongest effect of what differs.
func effectOf(now, next *config.Config) (strongest effect) {
	for _, t := range now.Touches(next) {
		e := again
		if i := slices.IndexFunc(effects, func(f struct {
			path   string
			effect effect
		}) bool {
			return strings.HasPrefix(t.Path, f.path)
		}); i >= 0 {
			e = effects[i].effect
		}
		if e == rebuilt && slices.ContainsFunc(local, func(part string) bool { return strings.Contains(t.Path, part) }) {
			e = again
		}
		strongest = max(strongest, e)
	}
	if (now.Upload.Mode == config.ModeOff) != (next.Upload.Mode == config.ModeOff) {
		strongest = again
	}
	if strongest == rebuilt && (serves(now) || serves(next)) {
		strongest = again
	}
	return strongest
}

// serves tells whether services hold on to the buses.
func serves(c *config.Config) bool {
	return slices.ContainsFunc(c.Buses, func(b config.Bus) bool {
		return len(b.Transmit) > 0 || b.Cancrypt.Role == config.RoleMember || b.Probe() != ""
	}) || c.Link.MQTT != nil
}

// apply brings settings into force: the candidate for the recorder alone, or
// what is current for everything. An error means that the recorder cannot work
// so, and works as before.
func (a *Appliance) apply(ctx context.Context, c *ota.Candidate) error {
	if c != nil {
		file, ok := c.Files[ota.Config]
		if !ok {
			return nil
		}
		next, err := a.parse(file)
		if err != nil {
			return err
		}
		return a.record(ctx, next.wholly(a.live().settings.Config))
	}
	next, err := loadSettings(a.card, a.o)
	if err != nil {
		return err
	}
	if err := a.record(ctx, next); err != nil {
		return err
	}
	return a.serve(next)
}

// record has the recorder work by other settings.
func (a *Appliance) record(ctx context.Context, next *settings) error {
	now := a.live().recorded
	a.mark()
	switch e := effectOf(now.Config, next.Config); {
	case e >= rebuilt && a.o.Source != nil:
		return errSource
	case e == again:
		a.again(errAgain)
		return nil
	case e == rebuilt:
		return a.rebuild(ctx, next)
	}
	if now.SHA256() == next.SHA256() {
		return nil
	}
	a.change(func(l *live) { l.recorded = next })
	a.level(next)
	return a.live().logger.Retune(ctx, a.loggerOptions().Tuning())
}

// level sets how much the program says of itself.
func (a *Appliance) level(s *settings) {
	if a.o.Level != nil {
		_ = a.o.Level.UnmarshalText([]byte(s.Log.Level)) // one of four words, checked by config
	}
}

// serve has everything else work by what is current. The certificates of the
// card are read anew, and connections made anew.
func (a *Appliance) serve(next *settings) error {
	now := a.live()
	if now.settings.SHA256() == next.SHA256() || now.store == nil {
		a.change(func(l *live) { l.settings = next })
		if now.store != nil {
			now.store.renew()
		}
	} else {
		a.change(func(l *live) { l.settings = next })
		st := a.newStore(next)
		a.change(func(l *live) { l.store = st })
		up := uploader.New(a.uploaderOptions())
		a.change(func(l *live) { l.uploader = up })
		select {
		case a.exchanged <- struct{}{}:
		default:
		}
		now.store.close()
	}
	if a.keeper != nil {
		a.keeper.Use(a.ways())
	}
	return nil
}

// rebuilding asks the recorder to end in order and to go on by other settings.
type rebuilding struct {
	next *settings
	done chan error
}

func (a *Appliance) rebuild(ctx context.Context, next *settings) error {
	r := rebuilding{next, make(chan error, 1)}
	select {
	case a.rebuilds <- r:
		return <-r.done
	case <-ctx.Done():
		return ctx.Err()
	}
}

// runRecorder records until ctx ends or the source has ended, with one recorder
// after another when settings change.
func (a *Appliance) runRecorder(ctx context.Context) error {
	for {
		part, stop := context.WithCancel(ctx)
		ended := make(chan error, 1)
		go func() { ended <- a.live().logger.Run(part) }()
		select {
		case err := <-ended:
			stop()
			return err
		case r := <-a.rebuilds:
			stop()
			if err := <-ended; err != nil || ctx.Err() != nil {
				r.done <- errors.Join(err, ctx.Err())
				return err
			}
			err := a.goOn(r.next)
			r.done <- err
			if a.live().buses == nil {
				return fmt.Errorf("the buses cannot be opened again: %w", err)
			}
		}
	}
}

// goOn builds the next recorder: by next, or as before when that does not work.
func (a *Appliance) goOn(next *settings) error {
	before := a.live()
	before.buses.Close()
	b, err := openBuses(a.o, next.Config, nil)
	if err != nil {
		next = before.recorded
		var retry error
		if b, retry = openBuses(a.o, next.Config, nil); retry != nil {
			b = nil
			err = errors.Join(err, retry)
		}
	}
	a.change(func(l *live) { l.buses, l.recorded = b, next })
	if b == nil {
		return err
	}
	recorder := before.logger.Continue(a.loggerOptions())
	a.change(func(l *live) { l.logger = recorder })
	a.level(next)
	return err
}

// mark remembers which interfaces have delivered, and how much.
func (a *Appliance) mark() {
	marks := map[string]uint64{}
	for _, b := range a.live().logger.Status().Buses {
		if b.Frames > 0 {
			marks[b.Interface] = b.Frames
		}
	}
	a.marks.Store(&marks)
}

// deliveryTime is how long a recorder that has just been built may take to show
// that it works.
const deliveryTime = 10 * time.Second

func (a *Appliance) awaitDelivery(ctx context.Context) error {
	for deadline := time.Now().Add(deliveryTime); ; {
		err := a.delivers()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(deliveryTime / 50):
		}
	}
}

// delivers wants the recorder to work, and each interface that has delivered
// before, and is still named, to have delivered again since a recorder was built
// for the candidate.
func (a *Appliance) delivers() error {
	s := a.live().logger.Status()
	if s.Log.State != "recording" && s.Log.State != "paused" {
		return fmt.Errorf("the recorder is %s", s.Log.State)
	}
	now := a.live()
	if effectOf(now.settings.Config, now.recorded.Config) < rebuilt || a.marks.Load() == nil {
		return nil
	}
	for _, b := range s.Buses {
		if before, ok := (*a.marks.Load())[b.Interface]; ok && b.Frames <= before {
			return fmt.Errorf("%s has delivered before and does not now", b.Interface)
		}
	}
	return nil
}

// Reload reads the card again: a changed configuration, bundle or certificate
// works from now on, without losing a frame where recording is not concerned.
func (a *Appliance) Reload(ctx context.Context) error {
	if a.keeper == nil {
		return errors.New("the configuration is not on the card: restart canseald")
	}
	next, err := loadSettings(a.card, a.o)
	if err != nil {
		return err
	}
	own, err := a.adopt(next)
	if err != nil {
		a.log.Error("secret not moved", "error", err)
	}
	return a.keeper.Reload(ctx, own)
}

// watchReloads reads the card again when it is asked to.
func (a *Appliance) watchReloads(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-a.o.Reloads:
			if err := a.Reload(ctx); err != nil {
				a.log.Error("the card was read again, and nothing is changed", "error", err)
			}
		}
	}
}

// Rollback makes the previous version of a file current. What is weaker than the
// present, or trusts what the present does not, wants weaker to be true.
func (a *Appliance) Rollback(ctx context.Context, name string, weaker bool) error {
	if a.keeper == nil {
		return errors.New("the configuration is not on the card: nothing was kept")
	}
	if why, err := weakened(a.live().settings, a.keeper, a.card, name, a.clock.TrustedNow()); err != nil {
		return err
	} else if len(why) > 0 && !weaker {
		return &WeakerError{name, why}
	}
	return a.keeper.Rollback(ctx, name)
}
