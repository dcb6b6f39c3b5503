package appliance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"canseal/can"
	"canseal/config/ota"
	"canseal/internal/clock"
	"canseal/internal/durable"
	"canseal/internal/run"
	"canseal/logger"
	"canseal/segment"
	"canseal/uploader/s3"
)

// grace is the time that services get after the recording has ended, to offer
// the last segment.
const grace = 20 * time.Second

// Options of an appliance.
type Options struct {
	Root       string // the card
	ConfigFile string // "": Root/config.yaml
	StateDir   string // "": $STATE_DIRECTORY, else Root/state
	Log        *slog.Logger
	Level      *slog.LevelVar // set to log.level of the configuration; may be nil

	// Source replaces the buses of the machine: the demo's simulated ones.
	Source can.Source
	// Patient makes recording wait for the card instead of counting a loss: for
	// a Source that can wait.
	Patient bool
	// Synced is told how many frames of a segment are durable, after each sync;
	// nil: nobody is.
	Synced func(n segment.Name, frames uint64)
	// PowerFails tells that the power is about to go: the running segment is sealed
	// and offered. nil: never.
	PowerFails <-chan os.Signal
	// Reloads tells that the card is to be read again. nil: never.
	Reloads <-chan os.Signal
	// card replaces the folder Root as the card: a test's smaller one.
	card durable.FS
	// dial replaces TCP on the way to the store: a test's.
	dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Machine is where /proc and /sys are looked for, "/".
	Machine string
}

// Appliance is a configured logger, from its source to its store.
type Appliance struct {
	o        Options
	log      *slog.Logger
	started  time.Time
	card     durable.FS // guarded, once the state folder is open
	present  func() error
	state    durable.FS
	lock     io.Closer
	machine  hardware
	clock    *clock.Clock
	device   segment.Device
	idSource string
	reset    string // end of the run before
	journal  *journal
	groups   *s3.Memory // of cipher groups; nil: no uploads
	working  atomic.Pointer[live]
	control  *control
	drive    *drive
	wear     wearFacts // at the start
	services []*run.Service
	members  []*member
	facts    *factsWriter

	tails     tails
	links     links
	linksLock sync.Mutex // of links.listener

	keeper    *ota.Keeper // nil: the configuration is not the card's
	early     []func()    // lines for the journal from before it was opened
	rebuilds  chan rebuilding
	exchanged chan struct{} // another uploader is to work
	marks     atomic.Pointer[map[string]uint64]
	again     context.CancelCauseFunc // ends the run, for another
}

// Run builds the appliance of o and runs it until ctx ends. The end of hurry
// cuts the last work of the services short.
func Run(ctx, hurry context.Context, o Options) error {
	for {
		if err := runOnce(ctx, hurry, o); !errors.Is(err, errAgain) {
			return err
		}
	}
}

func runOnce(ctx, hurry context.Context, o Options) error {
	a, err := Build(ctx, o)
	if errors.Is(err, context.Canceled) {
		return nil // asked to end while it waited for the card
	}
	if err != nil {
		return err
	}
	defer a.Close()
	return a.Run(ctx, hurry)
}

// Build reads the configuration and wires the components. It waits for a card
// that is missing. On an error nothing is left open.
func Build(ctx context.Context, o Options) (_ *Appliance, err error) {
	if o.Machine == "" {
		o.Machine = "/"
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.StateDir = StateDir(o.Root, o.StateDir)
	a := &Appliance{
		o: o, log: o.Log, started: time.Now(), machine: hardware{o.Machine},
		card: durable.Dir(o.Root), state: durable.Dir(o.StateDir), drive: newDrive(o.PowerFails),
	}
	a.working.Store(new(live))
	a.rebuilds, a.exchanged, a.again = make(chan rebuilding), make(chan struct{}, 1), func(error) {}
	if o.card != nil {
		a.card = o.card
	}
	defer func() {
		if err != nil {
			a.Close()
		}
	}()
	for _, step := range []func(context.Context) error{a.configure, a.openState, a.identify, a.alone, a.wireRecording, a.wireServices} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// configure waits for the card and reads config.yaml. Without a good one
// nothing is written anywhere.
func (a *Appliance) configure(ctx context.Context) error {
	if err := awaitCard(ctx, a.o.Root, a.state, a.log); err != nil {
		return err
	}
	if a.bookKept() { // a settling that the power has cut ends before the file is read
		if err := a.takeState(); err != nil {
			return err
		}
		a.openKeeper()
	}
	s, err := loadSettings(a.card, a.o)
	if err != nil {
		return err
	}
	a.change(func(l *live) { l.settings, l.recorded = s, s })
	for _, w := range s.Warnings() {
		a.log.Warn("configuration", "note", w.Error())
	}
	a.level(s)
	return nil
}

// takeState takes the state folder for this process, once; from then on nothing
// is written below ROOT while the card is not there.
func (a *Appliance) takeState() error {
	if a.present != nil {
		return nil
	}
	if err := os.MkdirAll(a.o.StateDir, 0o700); err != nil {
		a.log.Error("no state folder: counters and secrets are not kept", "error", err)
	}
	lock, err := durable.Lock(filepath.Join(a.o.StateDir, "lock"))
	switch {
	case errors.Is(err, durable.ErrLocked):
		return &exitError{ExitLocked, fmt.Errorf("another canseald works with %s", a.o.StateDir)}
	case err != nil: // recording is worth more than the lock
		a.log.Error("state folder not locked", "error", err)
	default:
		a.lock = lock
	}
	a.present = logger.WatchCard(a.o.Root, a.state)
	a.card = guarded{a.card, a.present}
	return nil
}

// openState takes the state folder, moves the secret into it, puts the schema on
// the card, and takes note of what the card has changed.
func (a *Appliance) openState(ctx context.Context) error {
	if err := a.takeState(); err != nil {
		return err
	}
	if err := writeSchema(a.card); err != nil {
		a.log.Warn("schema not written", "error", err)
	}
	own, err := a.adopt(a.live().settings)
	if err != nil {
		a.log.Error("secret not moved", "error", err)
	}
	a.openKeeper()
	a.resume(ctx, own)
	return nil
}

// adopt moves a secret out of the configuration. own tells what this program
// has written: a file, and the hash that it had before.
func (a *Appliance) adopt(s *settings) (own map[string]string, err error) {
	before := s.SHA256()
	err = s.adopt(a.card, a.state, a.log)
	if s.SHA256() != before {
		own = map[string]string{configFile: before}
	}
	return own, err
}

// Run records and serves until ctx ends or the source has ended. The recording
// is always sealed; then the services get their grace.
func (a *Appliance) Run(ctx, hurry context.Context) error {
	ctx, again := context.WithCancelCause(ctx)
	defer again(nil)
	a.again = again
	services, stopServices := context.WithCancel(hurry)
	defer stopServices()
	var running sync.WaitGroup
	for _, s := range a.services {
		running.Go(func() { s.Run(services) })
	}
	recording := make(chan error, 1)
	go func() { recording <- a.runRecorder(ctx) }()
	a.announce(ctx)
	err := <-recording
	anew := err == nil && errors.Is(context.Cause(ctx), errAgain)
	if !anew {
		a.sayStopping()
		a.drain(hurry)
	}
	stopServices()
	running.Wait()
	a.live().logger.Recount()
	a.facts.write()
	if anew {
		a.log.Info("other settings: again from the start")
		return errAgain
	}
	return err
}

func (a *Appliance) sayStopping() {
	if err := run.Notify(run.Stopping); err != nil {
		a.log.Debug("service manager not told", "error", err)
	}
}

// announce tells the service manager once the first segment is open.
func (a *Appliance) announce(ctx context.Context) {
	go func() {
		select {
		case <-a.live().logger.Ready():
			if err := run.Notify(run.Ready); err != nil {
				a.log.Warn("service manager not told", "error", err)
			}
		case <-ctx.Done():
		}
	}()
}

// drain offers what is left for upload, for as long as the grace lasts.
func (a *Appliance) drain(hurry context.Context) {
	if a.live().uploader == nil {
		return
	}
	ctx, cancel := context.WithTimeout(hurry, grace)
	defer cancel()
	if err := a.live().uploader.Drain(ctx); err != nil {
		a.log.Info("segments stay on the card", "reason", err)
	}
}

// Close gives back what Build has taken.
func (a *Appliance) Close() error {
	if a.control != nil {
		a.control.Close()
	}
	if a.clock != nil {
		if err := a.clock.Save(a.state); err != nil {
			a.log.Warn("clock not saved", "error", err)
		}
	}
	if a.live().buses != nil {
		a.live().buses.Close()
	}
	if a.lock != nil {
		return a.lock.Close()
	}
	return nil
}

// Rotate seals the running segment; it returns when the seal is written. With
// final it ends the drive: no other is opened before the next event, and what is
// left is offered to the store.
func (a *Appliance) Rotate(ctx context.Context, final bool) (segment.Name, error) {
	if final {
		return a.endDrive(ctx)
	}
	return a.live().logger.Rotate(ctx, false)
}

// Keep pins or unpins a segment.
func (a *Appliance) Keep(n segment.Name, keep bool) error {
	card := segment.Card{FS: a.card, Device: a.device}
	defer a.live().logger.CardChanged()
	if keep {
		return card.Pin(n)
	}
	return card.Unpin(n)
}

// Retry takes up parked segments again, or all segments anew.
func (a *Appliance) Retry(all bool) {
	if a.live().uploader != nil {
		a.live().uploader.Retry(all)
	}
}
