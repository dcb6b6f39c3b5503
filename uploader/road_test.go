package uploader_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"canseal/internal/durable"
	"canseal/internal/s3test"
	"canseal/internal/s3test/gateway"
	"canseal/segment"
	"canseal/uploader"
	"canseal/uploader/s3"
)

const accessKey, secretKey = "roadaccesskey", "roadsecretkey"

// onTheRoad replaces the fake store by the real client, in mode low.
func onTheRoad(t *testing.T, endpoint, access, secret string) (b *box, log *bytes.Buffer) {
	t.Helper()
	client, err := s3.New(s3.Options{Endpoint: endpoint, Bucket: "trucks", PathStyle: true, AccessKey: access, SecretKey: secret, Mode: "low", Stall: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	b, log = newBox(t), new(bytes.Buffer)
	b.o.Store, b.o.Mode, b.o.Proved, b.o.Endpoint = client, "low", "plain", endpoint
	b.o.Log = slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	return b, log
}

// Through the real client: whatever the store does once, the next offers
// bring each segment in, once, and no secret is found anywhere afterwards.
func TestEachFaultOnTheRoadIsOvercome(t *testing.T) {
	for name, fault := range map[string]s3test.Fault{
		"lost answer":       {Effect: s3test.Lose},
		"cut":               {Effect: s3test.Cut, At: 700},
		"503":               {Status: 503},
		"early 403":         {Effect: s3test.Early, Status: 403},
		"secrets echoed":    {Effect: s3test.Echo},
		"wrong checksum":    {Effect: s3test.Falsify},
		"flood":             {Effect: s3test.Flood, At: 3 << 20},
		"full":              {Status: 507},
		"no such condition": {Status: 501, Header: "If-None-Match"},
		"proxy":             {Status: 400, Body: "<html>" + secretKey + "</html>"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, err := s3test.New(s3test.Options{Keys: map[string]string{accessKey: secretKey}, Buckets: []string{"trucks"}, HideMissing: true})
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			b, log := onTheRoad(t, server.URL, accessKey, secretKey)
			names := []segment.Name{b.seal(17, 1), b.seal(17, 2)}
			fault.Method, fault.Key = "PUT", key(names[0])
			server.Script(fault)
			b.up = uploader.New(b.o)
			b.drain()
			status, _ := json.Marshal(b.up.Status())
			for range 5 {
				b.up.Retry(false)
				b.drain()
			}
			for _, n := range names {
				if o, err := server.Object("trucks", key(n)); err != nil {
					t.Error(err)
				} else if body, _ := o.Body(); !bytes.Equal(body, content(n)) || !b.sent(n) {
					t.Errorf("%s: %d bytes in the store, receipt %v", n, len(body), b.sent(n))
				}
			}
			wantNoSecret(t, b, names, string(status), log.String())
		})
	}
}

func (b *box) drain() {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	b.up.Drain(ctx) // what is left is looked at afterwards
}

func wantNoSecret(t *testing.T, b *box, names []segment.Name, texts ...string) {
	t.Helper()
	for _, n := range names {
		if r, err := durable.ReadFile(b.fs, b.card.Path(n, segment.Sent), 1<<20); err == nil {
			texts = append(texts, string(r))
		}
	}
	for _, text := range append(texts, strings.Join(b.events, "\n")) {
		for _, secret := range []string{secretKey, accessKey, "Signature="} {
			if strings.Contains(text, secret) {
				t.Errorf("%s is found in: %s", secret, text)
			}
		}
	}
}

// A forged 200 cannot be told from a true one in mode low: the receipt says
// so.
func TestAForgedAnswerInModeLowIsOnlyPlain(t *testing.T) {
	server, err := s3test.New(s3test.Options{Keys: map[string]string{accessKey: secretKey}, Buckets: []string{"trucks"}})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	server.Script(s3test.Fault{Effect: s3test.Forge, Method: "PUT", Times: -1})
	b, _ := onTheRoad(t, server.URL, accessKey, secretKey)
	n := b.seal(17, 1)
	b.up = uploader.New(b.o)
	b.drain()
	if r, err := b.card.ReadReceipt(n); err != nil || r.Proved != segment.ProvedPlain || r.Mode != "low" {
		t.Errorf("receipt %+v, %v", r, err)
	}
}

func TestThroughTheRealClientIntoVersitygw(t *testing.T) {
	g := gateway.Start(t, gateway.Options{Buckets: []string{"trucks"}})
	b, log := onTheRoad(t, g.URL, g.Access, g.Secret)
	names := []segment.Name{b.seal(17, 1), b.seal(17, 2), b.seal(18, 1)}
	b.up = uploader.New(b.o)
	b.drain()
	for _, n := range names {
		if !b.sent(n) {
			t.Errorf("%s has no receipt; log:\n%s", n, log)
		}
	}
	// A card whose receipts were lost finds its segments in the store.
	for _, n := range names {
		if err := b.fs.Remove(b.card.Path(n, segment.Sent)); err != nil {
			t.Fatal(err)
		}
	}
	b.up = uploader.New(b.o)
	b.drain()
	for _, n := range names {
		if r, err := b.card.ReadReceipt(n); err != nil || r.By != "stat" {
			t.Errorf("%s: %+v, %v", n, r, err)
		}
	}
	// A store that goes away and comes back.
	g.Stop()
	late := b.seal(18, 2)
	b.up = uploader.New(b.o)
	b.drain()
	b.wantState("retry", "network")
	if err := g.Run(); err != nil {
		t.Fatal(err)
	}
	b.drain()
	if !b.sent(late) {
		t.Errorf("%s has no receipt; log:\n%s", late, log)
	}
}
