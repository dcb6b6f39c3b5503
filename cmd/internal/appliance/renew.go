package appliance

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"canseal/certs"
	"canseal/uploader"
)

// Names under which a device asks for a certificate.
const (
	requestFile          = "device.csr"
	requestSignatureFile = requestFile + ".p7s"
)

// renewCertificate asks for a new certificate when the present one ends soon:
// the request goes into the bucket, signed by the present key, and is put again
// with each start until another certificate is there.
func (a *Appliance) renewCertificate(ctx context.Context) error {
	tick := time.NewTicker(expiryLook)
	defer tick.Stop()
	for asked := ""; ; {
		id, err := certs.OpenIdentity(a.card, a.state, certs.IdentityOptions{Device: string(a.device), Now: a.clock.TrustedNow})
		if err == nil && id.SHA256() != asked && a.renewalDue(id) {
			if err = a.ask(ctx, id); err == nil {
				asked = id.SHA256()
			} else {
				a.log.Warn("no certificate was asked for", "error", err)
			}
		}
		wait := tick.C
		if err != nil && asked == "" {
			wait = time.After(time.Minute)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-wait:
		}
	}
}

// renewalDue tells whether this device renews its certificate by itself, and
// now: where settings over the air are off, that is an operator's work.
func (a *Appliance) renewalDue(id *certs.Identity) bool {
	s := a.live().settings
	return s.Upload.Mode.Row().Device && s.OTA.Policy != "off" && id.RenewalDue(a.clock.TrustedNow(), s.TLS.RenewBefore)
}

// ask puts a request for the next key into the bucket.
func (a *Appliance) ask(ctx context.Context, id *certs.Identity) error {
	if id.Key == certs.NextKey { // of the renewal before
		if err := certs.SettleKey(a.state); err != nil {
			return err
		}
	}
	key, err := certs.LoadKey(a.state, certs.NextKey)
	var none *certs.IdentityError
	if errors.As(err, &none) && none.Reason == certs.IdentityNoKey {
		key, err = certs.MakeKey(a.state, certs.NextKey, "")
	}
	if err != nil {
		return err
	}
	request, err := certs.Request(key, string(a.device))
	if err != nil {
		return err
	}
	signature, err := certs.SignDetached(request, id.Leaf, id.Signer)
	if err != nil {
		return err
	}
	for _, o := range []struct {
		name    string
		content []byte
	}{{requestSignatureFile, signature}, {requestFile, request}} {
		if err := a.put(ctx, o.name, o.content); err != nil {
			return err
		}
	}
	sum := sha256.Sum256(request)
	a.live().store.asked.Store(&sum)
	a.log.Info("asked for a new certificate", "request", hex.EncodeToString(sum[:]), "ends", id.NotAfter())
	a.journal.Add("certificate", "asked for a new one", 0, map[string]any{"request": hex.EncodeToString(sum[:]), "not_after": rfc3339(id.NotAfter().UnixNano())})
	return nil
}

// put writes one of this device's own objects.
func (a *Appliance) put(ctx context.Context, name string, content []byte) error {
	_, err := a.live().store.Replace(ctx, uploader.Object{
		Key: a.object(name), Body: bytes.NewReader(content), Size: int64(len(content)), SHA256: sha256.Sum256(content),
	})
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
