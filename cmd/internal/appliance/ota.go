package appliance

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path"
	"reflect"
	"slices"
	"strings"
	"time"

	"canseal/certs"
	"canseal/config"
	"canseal/config/ota"
	"canseal/uploader"
	"canseal/uploader/s3"
)

// openKeeper takes the book of settings, and ends what a power cut has left. A
// configuration from elsewhere is only read: nothing over the air then.
func (a *Appliance) openKeeper() {
	if a.keeper != nil || a.o.ConfigFile != "" {
		return
	}
	k, err := ota.Open(ota.Options{
		Card: a.card, State: a.state, Log: a.log,
		Event: func(kind, what string, bus uint8, detail map[string]any) {
			if a.journal == nil { // not yet: the card is still being brought into order
				a.early = append(a.early, func() { a.journal.Add(kind, what, bus, detail) })
				return
			}
			a.journal.Add(kind, what, bus, detail)
		},
		Now: func() string {
			if a.clock == nil {
				return rfc3339(time.Now().UnixNano())
			}
			return rfc3339(a.clock.Now().Time)
		},
	})
	if err != nil {
		a.log.Error("settings", "error", err)
	}
	a.keeper = k
}

// resume takes the files of the card as they are, and of a trial what is in
// force.
func (a *Appliance) resume(ctx context.Context, own map[string]string) {
	if a.keeper == nil {
		return
	}
	if err := a.keeper.Card(ctx, own); err != nil {
		a.log.Error("settings on the card", "error", err)
	}
	c := a.keeper.InForce()
	if c == nil || c.Files[ota.Config] == nil {
		return
	}
	next, err := a.parse(c.Files[ota.Config])
	if err != nil {
		a.log.Error("the configuration on trial is not in force", "error", err)
		return
	}
	a.change(func(l *live) { l.recorded = next.wholly(l.settings.Config) })
}

// parse is a configuration that is not on the card.
func (a *Appliance) parse(file []byte) (*settings, error) {
	s, err := parseSettings(file)
	if err == nil {
		s.dial = a.o.dial
	}
	return s, err
}

func parseSettings(file []byte) (*settings, error) {
	c, problems := CheckConfig(file)
	if len(problems) > 0 {
		return nil, &ConfigError{ota.Config, problems}
	}
	return &settings{Config: c, file: file, onCard: true}, nil
}

// wholly is a configuration that leaves no frame out where it says otherwise than
// the one in force: during a trial everything is recorded.
func (s *settings) wholly(now *config.Config) *settings {
	c := *s.Config
	c.Buses = slices.Clone(c.Buses)
	for i := range c.Buses {
		b := &c.Buses[i]
		same := func(o config.Bus) bool {
			return o.Interface == b.Interface && reflect.DeepEqual(o.Filter, b.Filter) && reflect.DeepEqual(o.Control, b.Control)
		}
		if !slices.ContainsFunc(now.Buses, same) {
			b.Filter, b.Control = nil, nil
		}
	}
	return &settings{Config: &c, file: s.file, onCard: s.onCard, dial: s.dial}
}

// ways are how the keeper reaches the bucket, the judges and the recorder.
func (a *Appliance) ways() ota.Ways {
	s := a.live().settings
	w := ota.Ways{
		Policy: s.OTA.Policy, Every: s.OTA.Every, Device: string(a.device), Fleet: s.OTA.Fleet, Identity: s.Upload.Mode.Row().Device,
		Look: a.lookAt, Fetch: a.fetch, Trusted: a.clock.TrustedNow, Judge: a.judge,
		Current: a.roundTrip, Prove: a.prove, Apply: a.apply, Settled: a.identitySettled,
	}
	if s.OTA.Signer != "" {
		w.Verify = a.verify
		if _, err := a.signer(); err != nil && s.OTA.Policy != "off" {
			a.log.Error("no signed settings are taken", "error", err)
		}
	}
	if a.live().store == nil {
		w.Policy = "off" // no way to a bucket
	}
	return w
}

// object is the key of one of ours.
func (a *Appliance) object(name string) string {
	return path.Join(a.live().settings.Upload.Prefix, string(a.device), name)
}

func (a *Appliance) lookAt(ctx context.Context, name string) (ota.Tag, error) {
	v, err := through(a.live().store, func(c *s3.Client) (s3.Version, error) { return c.Version(ctx, a.object(name)) })
	if err != nil || v == (s3.Version{}) {
		return ota.Tag{}, err
	}
	return ota.Tag{ETag: v.ETag, Modified: v.Modified.Format(time.RFC3339)}, nil
}

func (a *Appliance) fetch(ctx context.Context, name string, limit int64) ([]byte, error) {
	text, err := through(a.live().store, func(c *s3.Client) ([]byte, error) { return c.Get(ctx, a.object(name), limit) })
	switch uploader.ClassOf(err) {
	case uploader.NoneThere, uploader.Credentials: // 403 on an object that may not be there
		return nil, ota.ErrNone
	case uploader.TooLarge:
		return nil, ota.ErrTooLarge
	}
	return text, err
}

// signer reads whose signatures count.
func (a *Appliance) signer() (*certs.Signer, error) {
	file, err := readLimited(a.live().settings.OTA.Signer, 64<<10)
	if err != nil {
		return nil, fmt.Errorf("ota.signer: %w", err)
	}
	signer, err := certs.ParseSigner(file)
	if err != nil {
		return nil, fmt.Errorf("ota.signer: %w", err)
	}
	return signer, nil
}

// verify checks a signature by the pinned signer. A signer that cannot be read is
// this device's fault and not the statement's.
func (a *Appliance) verify(content, signature []byte) (string, error) {
	signer, err := a.signer()
	if err != nil {
		return "", &ota.Wait{Err: err}
	}
	err = signer.Verify(content, signature, a.clock.TrustedNow(), a.clock.Now().Synchronised)
	var bad *certs.SignatureError
	if errors.As(err, &bad) && bad.Dates {
		return "", &ota.Wait{Err: err}
	}
	return signer.Key(), err
}

// judge judges a candidate by itself: what only this device can know.
func (a *Appliance) judge(c ota.Candidate) error {
	next := a.live().settings
	if file, ok := c.Files[ota.Config]; ok {
		var err error
		if next, err = a.parse(file); err != nil {
			return err
		}
		if err := inScope(a.live().settings.Config, next.Config, c.Source); err != nil {
			return err
		}
	}
	card := shown{a.card, c.Files}
	if _, ok := c.Files[ota.Bundle]; ok || next != a.live().settings {
		if err := a.judgeTrust(next, card); err != nil {
			return err
		}
	}
	if _, ok := c.Files[ota.Identity]; ok || next.Upload.Mode.Row().Device && next != a.live().settings {
		return waiting(a.judgeIdentity(card))
	}
	return nil
}

// judgeTrust wants a bundle that trusts somebody, where the mode needs one or
// one is given.
func (a *Appliance) judgeTrust(s *settings, card shown) error {
	_, given := card.files[ota.Bundle]
	if !given && (!s.Upload.Mode.Row().Server || s.TLS.Trust == "system") {
		return nil
	}
	_, err := loadBundle(s.Config, card, a.clock.TrustedNow())
	return waiting(err)
}

func (a *Appliance) judgeIdentity(card shown) error {
	_, err := certs.OpenIdentity(card, a.state, certs.IdentityOptions{Device: string(a.device), Now: a.clock.TrustedNow})
	return err
}

// waiting tells what only a date stands against.
func waiting(err error) error {
	var bundle *certs.BundleError
	var identity *certs.IdentityError
	if errors.As(err, &bundle) && bundle.Dates || errors.As(err, &identity) && identity.Dates() {
		return &ota.Wait{Err: err}
	}
	return err
}

// inScope refuses a configuration that changes a field above the scope of its
// source, and one with a secret in it.
func inScope(now, next *config.Config, source string) error {
	if next.Upload.SecretKey.ByValue() {
		return errors.New("upload.secret_key: a secret by value; whoever reads the bucket has it now: change that secret, and write `stored`")
	}
	may := config.Air
	if source == ota.Signed {
		may = config.Signed
	}
	var above []string
	for _, t := range now.Touches(next) {
		if t.Scope < may {
			above = append(above, fmt.Sprintf("%s (%s)", t.Path, t.Scope))
		}
	}
	if len(above) > 0 {
		return fmt.Errorf("out of scope for a source of rank %s: %s", may, strings.Join(above, ", "))
	}
	return nil
}

// roundTrip is a signed write, read back, with what is current.
func (a *Appliance) roundTrip(ctx context.Context) error {
	return a.tryOut(ctx, a.live().settings, shown{FS: a.card})
}

// prove makes one attempt with a candidate. What anyone on the path can forge
// is no failure.
func (a *Appliance) prove(ctx context.Context, c ota.Candidate) (ota.Outcome, error) {
	s := a.live().settings
	if file, ok := c.Files[ota.Config]; ok {
		var err error
		if s, err = a.parse(file); err != nil {
			return ota.Missed, err
		}
		if err := a.awaitDelivery(ctx); err != nil {
			return ota.Missed, err
		}
	}
	err := a.tryOut(ctx, s, shown{a.card, c.Files})
	switch {
	case err == nil:
		return ota.Proved, nil
	case uploader.ClassOf(err) == uploader.Trust, uploader.ClassOf(err) == uploader.Identity:
		return ota.Failed, err
	}
	return ota.Missed, err
}

// tryOut puts device.json over a fresh connection and reads back what the store
// says of it. A store that does not let us look has said it with its answer to
// the write.
func (a *Appliance) tryOut(ctx context.Context, s *settings, card shown) error {
	options, _, err := s3Options(s, card, a.state, a.clock)
	if err != nil {
		return err
	}
	options.Log, options.Memory, options.Event = a.log, a.groups, a.journal.Add
	client, err := s3.New(options)
	if err != nil {
		return &uploader.Error{Class: uploader.Config, Err: err}
	}
	defer client.Close()
	content := a.StatusJSON()
	sum := sha256.Sum256(content)
	key := path.Join(s.Upload.Prefix, string(a.device), factsFile)
	stored, err := client.Replace(ctx, uploader.Object{Key: key, Body: bytes.NewReader(content), Size: int64(len(content)), SHA256: sum})
	if err != nil {
		return err
	}
	back, err := client.Stat(ctx, key)
	if uploader.ClassOf(err) == uploader.CannotTell {
		back, err = stored, nil
	}
	if err != nil {
		return err
	}
	if !readBack(ctx, client, key, content, back) {
		return &uploader.Error{Class: uploader.Transfer, Err: fmt.Errorf("%s was not read back as it was written", key)}
	}
	return nil
}

// readBack tells whether the store has what was written: by its SHA-256, else by
// the bytes.
func readBack(ctx context.Context, client *s3.Client, key string, content []byte, there uploader.Stored) bool {
	if there.Size != int64(len(content)) {
		return false
	}
	if there.Checksum.Algorithm == "SHA256" {
		sum := sha256.Sum256(content)
		return there.Checksum.Value == base64.StdEncoding.EncodeToString(sum[:])
	}
	text, err := client.Get(ctx, key, maxFacts)
	return err == nil && bytes.Equal(text, content)
}

// identitySettled puts the key of a new certificate in its place.
func (a *Appliance) identitySettled([]byte) error {
	id, err := certs.OpenIdentity(a.card, a.state, certs.IdentityOptions{Now: a.clock.TrustedNow})
	if err == nil && id.Key == certs.NextKey {
		err = certs.SettleKey(a.state)
	}
	a.live().store.renew()
	return err
}

// settingsFacts is the section settings of device.json.
func (a *Appliance) settingsFacts() ota.Status {
	if a.keeper != nil {
		return a.keeper.Status()
	}
	f := ota.Fact{State: "settled", Source: ota.Card}
	s := ota.Status{Policy: "off", Config: f, Bundle: f, Identity: f, Refused: []string{}}
	s.Config.SHA256 = a.live().settings.SHA256()
	return s
}

// bookKept tells whether there is a book of settings: then it may have to be
// worked on before the configuration can be read.
func (a *Appliance) bookKept() bool {
	_, err := os.Stat(path.Join(a.o.StateDir, ota.File))
	return err == nil
}
