package appliance

import (
	"context"
	"fmt"
	"time"
)

const (
	expiryLook = time.Hour
	bundleSoon = 30 // days before the last certificate of the bundle expires
)

// watchCertificates says once for each certificate that it will expire soon:
// the last usable one of the bundle, and the device's own.
func (a *Appliance) watchCertificates(ctx context.Context) error {
	tick := time.NewTicker(expiryLook)
	defer tick.Stop()
	told := make(map[string]bool)
	for {
		for id, what := range a.expiring(a.clock.TrustedNow()) {
			if !told[id] {
				told[id] = true
				a.log.Warn("a certificate expires", "what", what)
				a.journal.Add("certificate", what, 0, map[string]any{"sha256": id})
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// expiring lists what should be renewed, by its hash.
func (a *Appliance) expiring(now time.Time) map[string]string {
	out := make(map[string]string)
	st, settings := a.live().store, a.live().settings
	if st == nil {
		return out
	}
	if b := st.Bundle(); b != nil && !b.Cleared && b.DaysLeft(now) < bundleSoon {
		out[b.SetSHA256] = fmt.Sprintf("%s: %d days are left of the last usable certificate: install a bundle that holds the new one too", bundleFile, b.DaysLeft(now))
	}
	if id := st.device.Load(); id != nil && id.RenewalDue(now, settings.TLS.RenewBefore) {
		out[id.SHA256()] = fmt.Sprintf("device.crt: %d days are left: ask for a new one", id.DaysLeft(now))
	}
	return out
}
