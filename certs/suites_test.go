package certs

import (
	"crypto/tls"
	"fmt"
	"testing"
)

// The groups are nested, and in the order of the CANedge; only DHE is beyond
// crypto/tls.
func TestTheNineSuites(t *testing.T) {
	want := "1 AES128-SHA, 1 DHE-RSA-AES128-SHA, 1 ECDHE-RSA-AES128-SHA, 2 AES128-SHA256, 2 DHE-RSA-AES128-SHA256, 2 ECDHE-RSA-AES128-SHA256, " +
		"3 AES128-GCM-SHA256, 3 DHE-RSA-AES128-GCM-SHA256, 3 ECDHE-RSA-AES128-GCM-SHA256, "
	got := ""
	for _, s := range Suites() {
		got += fmt.Sprintf("%d %s, ", s.Group, s.OpenSSL)
		if known := tls.CipherSuiteName(s.ID) == s.Name; known == (s.Exchange == ExchangeDHE) {
			t.Errorf("%s: crypto/tls knows it: %v", s.Name, known)
		}
		if ForwardSecret(tls.VersionTLS12, s.ID) == (s.Exchange == ExchangeRSA) || SuiteName(s.ID) != s.Name {
			t.Errorf("%s, named %s: forward secret %v", s.Name, SuiteName(s.ID), ForwardSecret(tls.VersionTLS12, s.ID))
		}
	}
	if got != want {
		t.Errorf("found  %s\nwanted %s", got, want)
	}
}

func TestTheAttemptsOfEachProfile(t *testing.T) {
	for _, row := range []struct {
		profile string
		dhe     bool
		want    string // name, number of suites, rank, newest version
	}{
		{"", true, "modern 6 0 0"},
		{ProfileModern, true, "modern 6 0 0"},
		{ProfileCompat, false, "modern 6 0 0; modern and RSA 12 1 0"},
		{ProfileCompat, true, "modern 6 0 0; modern and RSA 12 1 0; DHE 3 2 303"},
		{ProfileCANedge, false, "group 1 2 1 303; group 2 4 1 303; group 3 6 1 303"},
		{ProfileCANedge, true, "group 1 2 1 303; group 1, DHE 1 2 303; group 2 4 1 303; group 2, DHE 2 2 303; group 3 6 1 303; group 3, DHE 3 2 303"},
	} {
		list, ok := Attempts(row.profile, row.dhe)
		got := ""
		for i, a := range list {
			if i > 0 {
				got += "; "
			}
			got += fmt.Sprintf("%s %d %d %x", a.Name, len(a.Suites), a.Rank, a.Newest)
			if a.DHE != (a.OpenSSL() != "") {
				t.Errorf("%s: %q", a.Name, a.OpenSSL())
			}
			c := ClientTLS(nil, TLSOptions{})
			if a.Apply(c); c.MinVersion != tls.VersionTLS12 || c.MaxVersion != a.Newest || c.VerifyConnection == nil || c.InsecureSkipVerify {
				t.Errorf("%s changes more than the hello", a.Name)
			}
		}
		if !ok || got != row.want {
			t.Errorf("%s, %v: found  %s\nwanted %s", row.profile, row.dhe, got, row.want)
		}
	}
	if _, ok := Attempts("all", false); ok {
		t.Error("a profile that is none")
	}
}
