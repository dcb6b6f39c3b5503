package s3_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"canseal/internal/s3test"
	"canseal/internal/s3test/gateway"
	"canseal/uploader"
	"canseal/uploader/s3"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

const (
	device                     = "A1B2C3D4"
	ownerKey, ownerSecret      = "OWNERKEY01", "ownersecretownersecret"
	operatorKey, operatorToken = "OPERATORKEY01", "operatorsecretoperator"
)

// underPolicy runs a test on both stores, with the printed policy in force.
func underPolicy(t *testing.T, change func(*s3.PolicyOptions), test func(t *testing.T, w world)) {
	o := s3.PolicyOptions{Bucket: bucket, Device: device, Key: access, Operator: operatorKey}
	change(&o)
	text := s3.Policy(o)
	t.Run("s3test", func(t *testing.T) {
		s, err := s3test.New(s3test.Options{Keys: map[string]string{access: secret, ownerKey: ownerSecret, operatorKey: operatorToken}, Buckets: []string{bucket},
			Policy: text, Owner: ownerKey})
		must(t, err)
		t.Cleanup(func() { s.Close() })
		test(t, world{url: s.URL, mode: "low", server: s})
	})
	t.Run("versitygw", func(t *testing.T) {
		g := gateway.Start(t, gateway.Options{Access: ownerKey, Secret: ownerSecret, Buckets: []string{bucket}})
		g.AddUser(t, access, secret)
		g.AddUser(t, operatorKey, operatorToken)
		must(t, plainly(t, g.URL, ownerKey, ownerSecret).SetBucketPolicy(t.Context(), bucket, string(text)))
		test(t, world{url: g.URL, mode: "low"})
	})
}

func plainly(t *testing.T, url, access, secret string) *minio.Client {
	t.Helper()
	c, err := minio.New(strings.TrimPrefix(url, "http://"), &minio.Options{Creds: credentials.NewStaticV4(access, secret, ""),
		Region: "us-east-1", BucketLookup: minio.BucketLookupPath, MaxRetries: 1})
	must(t, err)
	return c
}

// Every function of the daemon works under the printed policy, and nothing
// beyond them.
func TestThePrintedPolicyIsEnoughAndNoMore(t *testing.T) {
	underPolicy(t, func(*s3.PolicyOptions) {}, func(t *testing.T, w world) {
		ctx, c := t.Context(), w.client(t)
		operator := w.client(t, func(o *s3.Options) { o.AccessKey, o.SecretKey = operatorKey, operatorToken })
		put := func(c *s3.Client, key string) error {
			_, err := c.Replace(ctx, object(key, []byte("content")))
			return err
		}
		create := func(key, text string) error {
			_, err := c.Create(ctx, object(key, []byte(text)))
			return err
		}
		stat := func(key string) error {
			_, err := c.Stat(ctx, key)
			return err
		}
		get := func(key string) error {
			_, err := c.Get(ctx, key, 1000)
			return err
		}
		list := func(prefix string) (err error) {
			for _, e := range c.List(ctx, prefix) {
				err = e
			}
			return err
		}
		remove := func(key string) error {
			if err := plainly(t, w.url, access, secret).RemoveObject(ctx, bucket, key, minio.RemoveObjectOptions{}); err != nil {
				return &uploader.Error{Class: uploader.Credentials, Status: minio.ToErrorResponse(err).StatusCode}
			}
			return nil
		}
		const log, other = device + "/00000001/00000001-69F87A20.MF4", "FFFFFFFF/00000001/00000001-69F87A20.MF4"
		for _, row := range []struct {
			what   string
			do     error
			status int // 0: it works
		}{
			{"device.json", put(c, device+"/device.json"), 0},
			{"device.json again", put(c, device+"/device.json"), 0},
			{"events.jsonl", put(c, device+"/events.jsonl"), 0},
			{"a request for a certificate", put(c, device+"/device.csr"), 0},
			{"its signature", put(c, device+"/device.csr.p7s"), 0},
			{"an own segment", create(log, "content"), 0},
			{"the same segment again", create(log, "content"), 412},
			{"other bytes under its key", create(log, "others"), 412},
			{"a large segment", multipart(t, c, device+"/00000001/00000002-69F87A20.MF4"), 0},
			{"an own name of no meaning", put(c, device+"/whatever"), 403},
			{"own settings", put(c, device+"/config.yaml"), 403},
			{"the signature of own settings", put(c, device+"/config.yaml.p7s"), 403},
			{"own bundle", put(c, device+"/certs_server.p7b"), 403},
			{"own statement", put(c, device+"/update.json"), 403},
			{"own certificate", put(c, device+"/device.crt"), 403},
			{"settings by the operator", put(operator, device+"/config.yaml"), 0},
			{"a segment by the operator", put(operator, device+"/00000001/00000009-69F87A20.MF4"), 403},
			{"a segment of another device", create(other, "content"), 403},
			{"a look at an own segment", stat(log), 0},
			{"a look at a missing one", stat(device + "/00000001/00000003-69F87A20.MF4"), 404},
			{"reading settings", get(device + "/config.yaml"), 0},
			{"reading under another device", get(other), 403},
			{"deleting an own segment", remove(log), 403},
			{"listing own objects", list(device + "/"), 0},
			{"listing all", list(""), 403},
		} {
			var e *uploader.Error
			status := 0
			if row.do != nil {
				e = wantError(t, row.do)
				status = e.Status
			}
			if status != row.status {
				t.Errorf("%s: %v, want status %d", row.what, row.do, row.status)
			}
		}
	})
}

func wantError(t *testing.T, err error) *uploader.Error {
	t.Helper()
	e, ok := err.(*uploader.Error)
	if !ok {
		t.Fatalf("%T: %v", err, err)
	}
	return e
}

// multipart makes an object of two parts, after an upload that was aborted.
func multipart(t *testing.T, c *s3.Client, key string) error {
	data := random(6 << 20)
	parts, o := cutInParts(data)
	o.Key = key
	for _, abort := range []bool{true, false} {
		up, err := c.Begin(t.Context(), uploader.Upload{Key: key}, nil)
		if err != nil {
			return err
		}
		for i := range parts {
			if parts[i].ETag, err = c.PutPart(t.Context(), up, parts[i], piece(data, parts[i])); err != nil {
				return err
			}
		}
		if _, err = c.Parts(t.Context(), up); err != nil {
			return err
		}
		if abort {
			err = c.Abort(t.Context(), up)
		} else {
			_, err = c.Complete(t.Context(), up, o, parts, true)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func TestAPolicyThatShutsPlainHTTP(t *testing.T) {
	underPolicy(t, func(o *s3.PolicyOptions) { o.TLSOnly = true }, func(t *testing.T, w world) {
		_, err := w.client(t).Replace(t.Context(), object(device+"/device.json", []byte("{}")))
		wantClass(t, err, uploader.Credentials)
	})
}

func TestThePolicyIsJSON(t *testing.T) {
	for _, o := range []s3.PolicyOptions{
		{Bucket: "trucks", Device: device, Key: "K"},
		{Bucket: "trucks", Prefix: "fleet/a", Device: device, Key: "K", Operator: "O", TLSOnly: true, Conditional: true},
	} {
		text := s3.Policy(o)
		var p struct{ Statement []map[string]any }
		if err := json.Unmarshal(text, &p); err != nil || !bytes.HasSuffix(text, []byte("\n")) {
			t.Fatalf("%v\n%s", err, text)
		}
		want := 6
		if o.Operator != "" {
			want = 10
		}
		if len(p.Statement) != want || !strings.Contains(fmt.Sprint(p.Statement[0]["Resource"]), strings.TrimPrefix(o.Prefix+"/"+device+"/????????/*", "/")) {
			t.Errorf("%d statements\n%s", len(p.Statement), text)
		}
	}
}
