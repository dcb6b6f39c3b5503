package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Link is what canseal offers to its neighbours. Each section is absent by
// default, and then nothing of it runs and no port is open.
type Link struct {
	Control *LinkControl `yaml:"control"`
	MQTT    *LinkMQTT    `yaml:"mqtt"`
	Probe   *LinkProbe   `yaml:"probe"`
}

// LinkControl is remote control by token, see docs/control-protocol.md.
type LinkControl struct {
	Listen   string   `yaml:"listen" default:"127.0.0.1:4646" like:"[^\\s/?#@]{1,120}:[0-9]{1,5}" want:"host:port"`
	Token    Secret   `yaml:"token" need:"true" want:"{file: PATH} or {env: NAME}; canseal auth-token makes one"`
	Commands []string `yaml:"commands" is:"rotate|keep|upload|keys" len:"0..4"` // beyond reading
}

// LinkMQTT is the publish-only output to a broker, see docs/mqtt.md.
type LinkMQTT struct {
	Broker      string           `yaml:"broker" need:"true" like:"(mqtts|tls)://[^\\s/?#@]{1,120}" want:"mqtts://host:port"`
	Trust       string           `yaml:"trust" need:"true" like:"system|/[^\\x00-\\x1f]+" want:"system, or the path of a file of CA certificates"`
	Certificate string           `yaml:"certificate" like:"/[^\\x00-\\x1f]+" want:"an absolute path"` // of the client; with key
	Key         string           `yaml:"key" like:"/[^\\x00-\\x1f]+" want:"an absolute path"`
	Username    string           `yaml:"username" like:"[^\\x00-\\x1f]{1,64}" want:"at most 64 characters"`
	Password    Secret           `yaml:"password" want:"{file: PATH} or {env: NAME}"`
	Prefix      string           `yaml:"prefix" default:"can" like:"[A-Za-z0-9_-]{1,32}(/[A-Za-z0-9_-]{1,32}){0,3}" want:"names of letters, digits, _ - with / between them"`
	Frames      bool             `yaml:"frames" default:"true"`
	Verdicts    bool             `yaml:"verdicts" default:"true"`
	Identifiers []MQTTIdentifier `yaml:"identifiers" len:"0..256"`
	Discovery   bool             `yaml:"discovery" default:"false"` // of the status, by Home Assistant
	Buffer      ByteSize         `yaml:"buffer" default:"4MiB" is:"64KiB..64MiB"`
}

// MQTTIdentifier is an identifier with a topic of its own.
type MQTTIdentifier struct {
	Match Match         `yaml:"match" need:"true"`
	Every time.Duration `yaml:"every" default:"1s" is:"10ms..24h"` // at most one message in so long
}

// LinkProbe is the logger's side of the link to remote probes, see
// docs/probe.md. A bus names its probe in the place of an interface.
type LinkProbe struct {
	Listen      string        `yaml:"listen" like:"[^\\s/?#@]{1,120}:[0-9]{1,5}" want:"host:port of UDP"`
	Serial      []ProbeSerial `yaml:"serial" len:"0..8"`
	Trust       string        `yaml:"trust" need:"true" like:"/[^\\x00-\\x1f]+" want:"the path of the root certificate"`
	Certificate string        `yaml:"certificate" need:"true" like:"/[^\\x00-\\x1f]+" want:"an absolute path"`
	Key         string        `yaml:"key" need:"true" like:"/[^\\x00-\\x1f]+" want:"an absolute path"`
	Late        time.Duration `yaml:"late" default:"0s" is:"0s|10ms..1m"` // 0 = 2 s on serial lines, 500 ms over UDP
	Deny        []string      `yaml:"deny" like:"[0-9a-f]{64}" want:"the SHA-256 of a certificate in hex" len:"0..256"`
}

// ProbeSerial is a line that a probe hangs on.
type ProbeSerial struct {
	Device     string `yaml:"device" need:"true" like:"/[^\\x00-\\x1f]+" want:"an absolute path"`
	Baud       int    `yaml:"baud" default:"115200" is:"9600..921600"`
	HalfDuplex bool   `yaml:"half_duplex" default:"false"` // RS485: the logger polls
}

// probePrefix marks the name of a probe in the place of an interface.
const probePrefix = "probe:"

// Probe is the name of the remote probe that a bus hangs on, "" for an
// interface of this machine.
func (b *Bus) Probe() string {
	name, ok := strings.CutPrefix(b.Interface, probePrefix)
	if !ok {
		return ""
	}
	return name
}

// neighbours holds the rules about links.
func (w *walk) neighbours(c *Config) {
	if l := c.Link.Control; l != nil {
		w.elsewhere(l.Token, "link.control.token")
	}
	if m := c.Link.MQTT; m != nil && w.sound("link.mqtt") {
		w.elsewhere(m.Password, "link.mqtt.password")
		w.mqtt(m)
	}
	if p := c.Link.Probe; p != nil && w.sound("link.probe") {
		w.require(p.Listen != "" || len(p.Serial) > 0, "link.probe.listen", "host:port, or a line in serial", "a probe comes over UDP or a serial line")
	}
	for i := range c.Buses {
		w.probeBus(c, &c.Buses[i], fmt.Sprintf("buses[%d]", i))
	}
}

// elsewhere refuses a secret that does not stand in a place of its own.
func (w *walk) elsewhere(s Secret, path string) {
	if (s.ByValue() || s.Stored()) && w.sound(path) {
		w.conflict(path, s.Source(), "{file: PATH} or {env: NAME}", "only upload.secret_key can be stored")
	}
}

func (w *walk) mqtt(m *LinkMQTT) {
	if !validHost(m.Broker) {
		w.conflict("link.mqtt.broker", quote(m.Broker), "mqtts://host:port", "")
	}
	w.require(m.Certificate == "" || m.Key != "", "link.mqtt.key", "the path of its key", "link.mqtt.certificate is set")
	w.require(m.Key == "" || m.Certificate != "", "link.mqtt.certificate", "the path of its certificate", "link.mqtt.key is set")
	for i, id := range m.Identifiers {
		w.single(id.Match, fmt.Sprintf("link.mqtt.identifiers[%d].match", i))
	}
}

// probeBus refuses what cannot be done at the other end of a link.
func (w *walk) probeBus(c *Config, b *Bus, path string) {
	if b.Probe() == "" || !w.sound(path+".interface") {
		return
	}
	if c.Link.Probe == nil {
		w.require(false, "link.probe", "the section", path+".interface is "+b.Interface)
	}
	here := "an interface of this machine"
	if b.Configure && w.sound(path+".configure") {
		w.conflict(path+".configure", "true", "false for a probe", "only "+here+" is configured")
	}
	if len(b.Transmit) > 0 && w.sound(path+".transmit") {
		w.conflict(path+".transmit", entries(len(b.Transmit)), "none for a probe", "only "+here+" sends")
	}
	if b.Cancrypt.Role == RoleMember && w.sound(path+".cancrypt.role") {
		w.conflict(path+".cancrypt.role", `"member"`, "off or judge for a probe", "only "+here+" sends")
	}
	if slices.ContainsFunc([]bool{b.Check.Bitrate != nil, b.Check.DataBitrate != nil, b.Check.FD != nil, b.Check.Restart != nil, b.Check.ListenOnly != nil}, func(is bool) bool { return is }) {
		w.conflict(path+".check", "it for a probe", "none", "only "+here+" is checked")
	}
}
