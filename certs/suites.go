package certs

import (
	"crypto/tls"
	"slices"
	"strings"
)

// Suite is one of the nine suites of profile canedge, all of TLS 1.2.
type Suite struct {
	ID       uint16 // as on the wire, and in crypto/tls where that speaks it
	Name     string // of the IANA registry
	OpenSSL  string // OpenSSL's name
	Group    int    // the first group that has it, 1 to 3; the later ones have it too
	Exchange Exchange
}

// Exchange is how a suite of TLS 1.2 agrees on keys.
type Exchange string

// Whoever records a session of ExchangeRSA and gets the server's key later
// reads it; the others are forward secret.
const (
	ExchangeRSA   Exchange = "RSA"
	ExchangeDHE   Exchange = "DHE" // crypto/tls does not speak it
	ExchangeECDHE Exchange = "ECDHE"
)

// nine is in the order of the CANedge.
var nine = [...]Suite{
	{tls.TLS_RSA_WITH_AES_128_CBC_SHA, "TLS_RSA_WITH_AES_128_CBC_SHA", "AES128-SHA", 1, ExchangeRSA},
	{0x0033, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA", "DHE-RSA-AES128-SHA", 1, ExchangeDHE},
	{tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "ECDHE-RSA-AES128-SHA", 1, ExchangeECDHE},
	{tls.TLS_RSA_WITH_AES_128_CBC_SHA256, "TLS_RSA_WITH_AES_128_CBC_SHA256", "AES128-SHA256", 2, ExchangeRSA},
	{0x0067, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256", "DHE-RSA-AES128-SHA256", 2, ExchangeDHE},
	{tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", "ECDHE-RSA-AES128-SHA256", 2, ExchangeECDHE},
	{tls.TLS_RSA_WITH_AES_128_GCM_SHA256, "TLS_RSA_WITH_AES_128_GCM_SHA256", "AES128-GCM-SHA256", 3, ExchangeRSA},
	{0x009E, "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", "DHE-RSA-AES128-GCM-SHA256", 3, ExchangeDHE},
	{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256", 3, ExchangeECDHE},
}

// Suites lists the nine suites.
func Suites() []Suite { return slices.Clone(nine[:]) }

// modernSuites is forward secret and authenticated encryption throughout.
var modernSuites = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

// Names of the profiles, the values of tls.profile.
const (
	ProfileModern  = "modern"
	ProfileCompat  = "compat"
	ProfileCANedge = "canedge"
)

// Attempt is one hello of a profile: a connection of its own.
type Attempt struct {
	Name string // like "modern", "group 2", "group 2, DHE"
	// Newest is the last version that is offered, 0: the newest there is. The
	// first is TLS 1.2, always.
	Newest uint16
	Suites []uint16 // of TLS 1.2; those of 1.3 cannot be chosen
	// DHE: crypto/tls does not speak these suites.
	DHE bool
	// Rank is how much the attempt gives away: 0 nothing, 1 forward secrecy
	// and authenticated encryption where the server wants that, 2 the same
	// through a program with fewer checks of its own.
	Rank int
}

// Attempts lists what a profile offers, one attempt after the other; an empty
// name is ProfileModern. dhe adds the suites that crypto/tls does not speak,
// where the profile has them. false: no such profile.
func Attempts(profile string, dhe bool) ([]Attempt, bool) {
	modern := Attempt{Name: ProfileModern, Suites: slices.Clone(modernSuites)}
	var list []Attempt
	switch profile {
	case ProfileModern, "":
		return []Attempt{modern}, true
	case ProfileCompat:
		wide := Attempt{Name: "modern and RSA", Suites: slices.Concat(modernSuites, ids(3, false)), Rank: 1}
		list = []Attempt{modern, wide, {Name: "DHE", Newest: tls.VersionTLS12, Suites: ids(3, true), DHE: true, Rank: 2}}
	case ProfileCANedge:
		for group, name := range []string{"group 1", "group 2", "group 3"} {
			list = append(list,
				Attempt{Name: name, Newest: tls.VersionTLS12, Suites: ids(group+1, false), Rank: 1},
				Attempt{Name: name + ", DHE", Newest: tls.VersionTLS12, Suites: ids(group+1, true), DHE: true, Rank: 2})
		}
	default:
		return nil, false
	}
	return slices.DeleteFunc(list, func(a Attempt) bool { return a.DHE && !dhe }), true
}

// ids are the suites of a group of the nine: those of DHE, or the others.
func ids(group int, dhe bool) []uint16 {
	var list []uint16
	for _, s := range nine {
		if s.Group <= group && (s.Exchange == ExchangeDHE) == dhe {
			list = append(list, s.ID)
		}
	}
	return list
}

// Apply narrows a configuration of ClientTLS to the attempt's hello. Nothing
// else of it changes: who is trusted, and who we are, is no matter of a suite.
func (a Attempt) Apply(c *tls.Config) {
	c.MinVersion, c.MaxVersion, c.CipherSuites = tls.VersionTLS12, a.Newest, slices.Clone(a.Suites)
}

// Offers tells whether a suite of TLS 1.2 is in the attempt's hello.
func (a Attempt) Offers(suite uint16) bool { return slices.Contains(a.Suites, suite) }

// OpenSSL is the attempt's list of suites as that program takes it; empty but
// with DHE.
func (a Attempt) OpenSSL() string {
	var names []string
	for _, s := range nine {
		if a.DHE && slices.Contains(a.Suites, s.ID) {
			names = append(names, s.OpenSSL)
		}
	}
	return strings.Join(names, ":")
}

// SuiteName names a suite, also those that crypto/tls does not know.
func SuiteName(id uint16) string {
	for _, s := range nine {
		if s.ID == id {
			return s.Name
		}
	}
	return tls.CipherSuiteName(id)
}

// ForwardSecret tells whether a session stays secret when the server's key is
// known later. A suite that no profile offers is not.
func ForwardSecret(version, suite uint16) bool {
	if version >= tls.VersionTLS13 || slices.Contains(modernSuites, suite) {
		return true
	}
	return slices.ContainsFunc(nine[:], func(s Suite) bool { return s.ID == suite && s.Exchange != ExchangeRSA })
}
