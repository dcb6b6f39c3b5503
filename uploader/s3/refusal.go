package s3

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"canseal/certs"
)

// alertNames are the alerts of RFC 8446 6.2 by which a server refuses a
// device's certificate.
var alertNames = map[uint8]string{
	42: "bad certificate", 43: "unsupported certificate", 44: "certificate revoked", 45: "certificate expired",
	46: "certificate unknown", 48: "unknown CA", 116: "certificate required",
}

var identityAlerts = slices.Sorted(maps.Keys(alertNames))

// RefusedError says that a server does not take this device for who it says it
// is.
type RefusedError struct {
	Alert  uint8 // TLS alert; 0: the answer was a page
	Status int   // of that page
	// Suspected: the word came before the connection was protected, so anybody
	// on the path may have said it.
	Suspected bool
	Subject   string    // of the certificate shown; empty: none was shown
	Issuer    string    // of that certificate
	NotAfter  time.Time // of that certificate
	Good      bool      // it was in date when the server refused it
}

func (e *RefusedError) Error() string {
	var s strings.Builder
	s.WriteString("this device's identity is refused: ")
	if e.Alert == 0 {
		fmt.Fprintf(&s, "a page with status %d in place of the store's answer", e.Status)
	} else {
		fmt.Fprintf(&s, "alert %d %s", e.Alert, alertName(e.Alert))
	}
	s.WriteString("; " + e.hint())
	if e.Suspected {
		s.WriteString("; said before the connection was protected, so anybody on the path may have said it")
	}
	return s.String()
}

func alertName(alert uint8) string {
	if name := alertNames[alert]; name != "" {
		return name
	}
	return "handshake failure"
}

// hint says what to look at.
func (e *RefusedError) hint() string {
	switch {
	case e.Subject == "":
		return "no certificate was shown: a server that verifies devices wants mode high"
	case e.Alert == 45 && e.Good:
		return fmt.Sprintf("%.100q is good until %s, so look whether the server's revocation list is out of date, which shuts out every device", e.Subject, e.NotAfter.Format(time.DateOnly))
	case e.Alert == 44:
		return fmt.Sprintf("the server's revocation list names %.100q", e.Subject)
	case e.Alert == 48:
		return fmt.Sprintf("the server does not know %.100q, which issued %.100q", e.Issuer, e.Subject)
	case e.Alert == 0:
		return fmt.Sprintf("%.100q, issued by %.100q, may be revoked, unknown to the server, or the server's revocation list out of date", e.Subject, e.Issuer)
	}
	return fmt.Sprintf("%.100q, issued by %.100q, was shown", e.Subject, e.Issuer)
}

// refusal describes what was seen of a server that refuses this device.
func (s *seen) refusal(now time.Time) *RefusedError {
	e := &RefusedError{Alert: s.alert, Status: s.status, Suspected: s.status == 0 && !s.protected}
	if s.shown != nil {
		leaf := s.shown.Leaf
		e.Subject, e.Issuer, e.NotAfter = leaf.Subject.String(), leaf.Issuer.String(), leaf.NotAfter.UTC()
		e.Good = !now.After(s.shown.NotAfter())
	}
	return e
}

// ownDates tells that only dates stand against our own certificate.
func (s *seen) ownDates() bool {
	var e *certs.IdentityError
	return errors.As(s.own, &e) && e.Dates()
}
