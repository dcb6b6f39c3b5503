package appliance

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"canseal/can"
	"canseal/config"
	"canseal/internal/run"
	remote "canseal/link/control"
	"canseal/link/mqtt"
	"canseal/link/probe"
	"canseal/logger"
	"canseal/mdf"
)

// links are the neighbours that a configuration has. The core knows none of
// them: control calls the verbs of the local socket, mqtt is a tap on what is
// recorded, and probes are a source of events.
type links struct {
	listener *remote.Listener
	output   *mqtt.Output
	feed     *mqtt.Feed
	probes   *probe.Server
}

// linkFacts are the section link of device.json; a part that is not configured
// is absent.
type linkFacts struct {
	Control *remote.Counts `json:"control,omitempty"`
	MQTT    *mqtt.Status   `json:"mqtt,omitempty"`
	Probes  []probe.Status `json:"probes,omitempty"`
}

func (a *Appliance) linkFacts() *linkFacts {
	a.linksLock.Lock()
	l := a.links
	a.linksLock.Unlock()
	f := &linkFacts{}
	if l.listener != nil {
		f.Control = new(l.listener.Counts())
	}
	if l.output != nil {
		f.MQTT = new(l.output.Status())
	}
	if l.probes != nil {
		f.Probes = l.probes.Status()
	}
	if f.Control == nil && f.MQTT == nil && f.Probes == nil {
		return nil
	}
	return f
}

// wireLinks makes the services of the neighbours.
func (a *Appliance) wireLinks() (services []run.Component) {
	c := a.live().settings.Link
	if c.Control != nil {
		services = append(services, run.Func("remote control", func(ctx context.Context) error { return a.serveRemote(ctx, c.Control) }))
	}
	if a.links.feed != nil {
		services = append(services, a.links.feed, a.links.output)
	}
	if a.links.probes != nil && c.Probe != nil {
		services = append(services, a.probeServices(c.Probe)...)
	}
	return services
}

// --- remote control ---

// serveRemote answers holders of the token, as the local socket does.
func (a *Appliance) serveRemote(ctx context.Context, c *config.LinkControl) error {
	token, err := c.Token.Resolve(func() ([]byte, error) { return nil, config.ErrNoSecret }, os.Getenv)
	if err != nil {
		return fmt.Errorf("link.control.token: %w", err)
	}
	key, err := remote.NewKey(token)
	if err != nil {
		return fmt.Errorf("link.control.token: %w", err)
	}
	inner, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("link.control.listen: %w", err)
	}
	l := remote.NewListener(inner, key, a.log)
	a.linksLock.Lock()
	a.links.listener = l
	a.linksLock.Unlock()
	server := &http.Server{
		Handler: permitted(a.control.handler(), c.Commands), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 8 << 10,
		ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
	}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	a.log.Info("remote control", "listen", inner.Addr().String(), "commands", c.Commands)
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("remote control: %w", err)
	}
	return nil
}

// commandOf are the words of link.control.commands that permit a request which
// changes something. What is not here is for the local socket alone.
var commandOf = map[string]string{"/v1/rotate": "rotate", "/v1/keep": "keep", "/v1/retry": "upload", "/v1/keys/erase": "keys"}

// permitted lets through what reads, and the commands that the configuration
// lists.
func permitted(h http.Handler, commands []string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && !slices.Contains(commands, commandOf[r.URL.Path]) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write(fmt.Appendf(nil, `{"error":%q}`, "not permitted from afar: "+r.URL.Path+" (link.control.commands of the logger)"))
			return
		}
		h.ServeHTTP(w, r)
	})
}

// --- MQTT ---

// openMQTT makes the output to a broker, which works once its services run.
func (a *Appliance) openMQTT(c *config.LinkMQTT) {
	if c == nil {
		return
	}
	device := string(a.device)
	o := mqtt.Options{
		Dial:     func(ctx context.Context) (net.Conn, error) { return dialBroker(ctx, c) },
		ClientID: "canseal-" + device, Username: c.Username, Will: mqtt.Will(c.Prefix, device), Buffer: int(c.Buffer), Log: a.log,
		Event: func(what string) { a.journal.Add("mqtt", what, 0, nil) },
	}
	if c.Password.Named() {
		o.Password = func() (string, error) {
			return c.Password.Resolve(func() ([]byte, error) { return nil, config.ErrNoSecret }, os.Getenv)
		}
	}
	a.links.output = mqtt.New(o)
	f := mqtt.FeedOptions{Prefix: c.Prefix, Device: device, Buses: map[uint8]string{}, Frames: c.Frames, Verdicts: c.Verdicts, Status: a.brokerStatus}
	for _, b := range a.live().recorded.Buses {
		f.Buses[uint8(b.Number)] = b.Interface
	}
	for _, id := range c.Identifiers {
		f.Identifiers = append(f.Identifiers, mqtt.Identifier{Match: id.Match.Has, Every: id.Every})
	}
	if c.Discovery {
		f.Discovery = sensors
	}
	a.links.feed = mqtt.NewFeed(a.links.output, f)
}

// sensors are what Home Assistant shows.
var sensors = []mqtt.Sensor{
	{ID: "state", Name: "Recording", Path: "log.state"}, {ID: "frames", Name: "Frames", Path: "log.frames"},
	{ID: "free", Name: "Free on the card", Path: "log.card.free_bytes", Unit: "B"}, {ID: "unsent", Name: "Unsent segments", Path: "log.segments.unsent"},
}

// brokerStatus is what a broker is told of the device.
func (a *Appliance) brokerStatus() any {
	l := a.live().logger
	if l == nil {
		return nil
	}
	status := l.Status()
	return map[string]any{"firmware": Version, "log": status.Log, "buses": status.Buses}
}

// dialBroker connects to a broker and verifies it. Files are read anew, so that
// renewed ones count.
func dialBroker(ctx context.Context, c *config.LinkMQTT) (net.Conn, error) {
	u, err := url.Parse(c.Broker)
	if err != nil {
		return nil, err
	}
	host, port := u.Hostname(), u.Port()
	if port == "" {
		port = "8883"
	}
	conf := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if c.Trust != "system" {
		if conf.RootCAs, err = rootsFrom(c.Trust); err != nil {
			return nil, fmt.Errorf("link.mqtt.trust: %w", err)
		}
	}
	if c.Certificate != "" {
		pair, err := tls.LoadX509KeyPair(c.Certificate, c.Key)
		if err != nil {
			return nil, fmt.Errorf("link.mqtt.certificate: %w", err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	ctx, stop := context.WithTimeout(ctx, 30*time.Second)
	defer stop()
	return (&tls.Dialer{Config: conf}).DialContext(ctx, "tcp", net.JoinHostPort(host, port))
}

// rootsFrom reads certificates in PEM.
func rootsFrom(file string) (*x509.CertPool, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return nil, fmt.Errorf("%s: found no certificate, wanted some in PEM", file)
	}
	return pool, nil
}

// tap is told what is recorded.
func (a *Appliance) tap(events []can.Event) {
	a.tails.take(events)
	if a.links.feed != nil {
		a.links.feed.Take(events)
	}
}

// event takes a line for events.jsonl, and tells a broker what concerns
// security.
func (a *Appliance) event(kind, what string, bus uint8, detail map[string]any) {
	a.journal.Add(kind, what, bus, detail)
	if a.links.feed != nil && (kind == "cancrypt" || kind == "probe") && bus != 0 {
		a.links.feed.Note(bus, time.Now().UnixNano(), what)
	}
}

// --- probes ---

// openProbes makes the source of the buses that hang on probes; nil without
// one. The certificates are read now: a logger that cannot prove itself records
// its other buses all the same.
func (a *Appliance) openProbes(c *config.Config) *probe.Server {
	if c.Link.Probe == nil {
		return nil
	}
	o := probe.ServerOptions{
		Probes: map[string]uint8{}, Deny: c.Link.Probe.Deny, Late: c.Link.Probe.Late, Log: a.log,
		Security: a.alarmed,
	}
	o.Identity.Now = a.clock.TrustedNow
	for i := range c.Buses {
		if name := c.Buses[i].Probe(); name != "" {
			o.Probes[name] = uint8(c.Buses[i].Number)
		}
	}
	if len(o.Probes) == 0 {
		return nil
	}
	return probe.NewServer(o)
}

// alarmed takes what a probe's link tells of security: a line for events.jsonl, and
// a record in the log.
func (a *Appliance) alarmed(x probe.Alarm) {
	a.event("probe", x.What, x.Bus, nil)
	kind := mdf.ProbeLate
	if x.Stale {
		kind = mdf.ProbeStale
	}
	if l := a.live().logger; l != nil {
		l.Note(mdf.Security{Bus: x.Bus, Kind: kind, Count: x.Count})
	}
}

// probeServices hear probes, each way a service of its own.
func (a *Appliance) probeServices(c *config.LinkProbe) (services []run.Component) {
	if c.Listen != "" {
		services = append(services, run.Func("probes "+c.Listen, func(ctx context.Context) error {
			if err := a.proveTo(c); err != nil {
				return err
			}
			conn, err := net.ListenPacket("udp", c.Listen)
			if err != nil {
				return fmt.Errorf("link.probe.listen: %w", err)
			}
			return a.links.probes.ListenUDP(ctx, conn)
		}))
	}
	for _, s := range c.Serial {
		services = append(services, run.Func("probes "+s.Device, func(ctx context.Context) error {
			if err := a.proveTo(c); err != nil {
				return err
			}
			line, err := probe.OpenLine(probe.LineOptions{Name: s.Device, Baud: s.Baud, HalfDuplex: s.HalfDuplex, Master: true})
			if err != nil {
				return fmt.Errorf("link.probe.serial: %w", err)
			}
			return a.links.probes.ListenLine(ctx, line)
		}))
	}
	return services
}

// proveTo reads who the logger is to its probes, and whom it trusts.
func (a *Appliance) proveTo(c *config.LinkProbe) error {
	pair, err := tls.LoadX509KeyPair(c.Certificate, c.Key)
	if err != nil {
		return fmt.Errorf("link.probe.certificate: %w", err)
	}
	roots, err := rootsFrom(c.Trust)
	if err != nil {
		return fmt.Errorf("link.probe.trust: %w", err)
	}
	a.links.probes.Prove(pair, roots)
	return nil
}

// probeLinks is how the buses on probes are.
func probeLinks(s *probe.Server) (list []logger.Link) {
	for _, p := range s.Status() {
		state := can.LinkUp
		switch {
		case p.From == "":
			state = can.LinkMissing
		case !strings.EqualFold(p.State, can.LinkUp.String()):
			state = can.LinkDown
		}
		list = append(list, logger.Link{Number: p.Bus, Interface: "probe:" + p.Name, State: state, Stamps: "probe"})
	}
	return list
}
