package s3

import (
	"crypto/tls"
	"time"

	"canseal/certs"
)

// Status is the section tls of device.json.
type Status struct {
	Profile    string        `json:"profile,omitempty"`
	Attempt    string        `json:"attempt,omitempty"`   // the last good one: a name of certs.Attempts
	DHE        string        `json:"dhe,omitempty"`       // the three suites of openssl: disabled, enabled, missing
	Version    string        `json:"version,omitempty"`   // of the last handshake, like "TLS 1.3"
	Suite      string        `json:"suite,omitempty"`     // like "TLS_AES_128_GCM_SHA256"
	Handshake  string        `json:"handshake,omitempty"` // when, RFC 3339
	Downgraded bool          `json:"downgraded"`
	Bundle     *BundleStatus `json:"bundle,omitempty"`
	Device     *DeviceStatus `json:"device,omitempty"` // mode high
}

// DeviceStatus is the device's own certificate.
type DeviceStatus struct {
	Subject  string    `json:"subject"`
	Issuer   string    `json:"issuer"`
	SHA256   string    `json:"sha256"` // of the DER
	Key      string    `json:"key"`    // the file of the key that fits
	NotAfter time.Time `json:"not_after"`
	DaysLeft int       `json:"days_left"`
	RenewDue bool      `json:"renew_due"` // less than tls.renew_before is left
	Notes    []string  `json:"notes,omitempty"`
	// RequestSHA256 names the request for a new one that is under way.
	RequestSHA256 string `json:"request_sha256,omitempty"`
}

// NewDeviceStatus describes an identity; renewBefore is tls.renew_before.
func NewDeviceStatus(id *certs.Identity, now time.Time, renewBefore time.Duration) *DeviceStatus {
	return &DeviceStatus{
		Subject: id.Leaf.Subject.String(), Issuer: id.Leaf.Issuer.String(), SHA256: id.SHA256(), Key: id.Key,
		NotAfter: id.NotAfter(), DaysLeft: id.DaysLeft(now), RenewDue: id.RenewalDue(now, renewBefore), Notes: id.Notes,
	}
}

// BundleStatus is what the trust bundle holds.
type BundleStatus struct {
	DaysLeft     int                 `json:"days_left"` // until the last usable certificate expires
	Certificates []certs.Certificate `json:"certificates"`
}

// Groups says in a few words which suites are offered, and which attempt was
// taken.
func (s *Status) Groups() string {
	text := "profile " + s.Profile
	if s.Attempt != "" && s.Attempt != s.Profile {
		text += ", " + s.Attempt
	}
	if s.Profile != certs.ProfileModern {
		text += "; of the nine suites 6/9 built in, 3/9 through openssl: " + s.DHE
	}
	if s.Downgraded {
		text += "; WEAKER than before"
	}
	return text
}

// Status tells what the last handshake settled and what is trusted. In mode
// low it is empty.
func (c *Client) Status() Status {
	if c.mode.Scheme != "https" {
		return Status{}
	}
	var s Status
	c.wire.dialer.groups.describe(&s)
	if b := c.o.Bundle; b != nil {
		s.Bundle = &BundleStatus{DaysLeft: b.DaysLeft(c.o.Now()), Certificates: b.Certificates}
	}
	if h := c.wire.dialer.last.Load(); h != nil {
		s.Version, s.Suite = tls.VersionName(h.state.Version), certs.SuiteName(h.state.CipherSuite)
		s.Handshake = h.at.UTC().Format(time.RFC3339)
	}
	return s
}

// Skew returns the store's clock minus ours as the last answer over a
// verified connection showed it, in whole seconds; false when there was none.
func (c *Client) Skew() (time.Duration, bool) {
	if d := c.wire.skew.Load(); d != nil {
		return *d, true
	}
	return 0, false
}
