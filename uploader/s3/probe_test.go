package s3_test

import (
	"bytes"
	"net/http"
	"slices"
	"testing"

	"canseal/internal/s3test"
	"canseal/uploader"
	"canseal/uploader/s3"
)

var fact = []byte(`{"v":1,"id":"A1B2C3D4"}`)

// given lists the rights that are given, of those that are needed or not.
func given(p s3.Probe, needed, given bool) (list []string) {
	for _, r := range p.Rights {
		if r.Needed == needed && r.Given == given {
			list = append(list, r.What)
		}
	}
	return list
}

func probed(t *testing.T, w world) s3.Probe {
	t.Helper()
	c := w.client(t)
	_, err := c.Replace(t.Context(), object(device+"/device.json", fact))
	must(t, err)
	p := c.Probe(t.Context(), device, fact)
	got, err := c.Get(t.Context(), device+"/device.json", 1000)
	if err != nil || !bytes.Equal(got, fact) {
		t.Errorf("device.json is %q, %v", got, err)
	}
	if p.Quirks() == (uploader.Quirks{}) {
		t.Error("no quirks named")
	}
	return p
}

// Under the printed policy the pair has every right that is needed and none of
// the others; without a policy the probe names what is too many. Nothing is
// left in the bucket but device.json.
func TestProbeTellsRights(t *testing.T) {
	underPolicy(t, func(*s3.PolicyOptions) {}, func(t *testing.T, w world) {
		p := probed(t, w)
		if !p.IfNoneMatch || !p.ConditionalComplete || p.Checksum != "sha256" || p.MultipartChecksum != "sha256" {
			t.Errorf("the store: %+v", p)
		}
		if len(given(p, true, true)) != 4 || len(given(p, true, false)) != 0 || len(given(p, false, true)) != 0 || len(given(p, false, false)) != 5 {
			t.Errorf("rights: %+v", p.Rights)
		}
	})
	everywhere(t, func(t *testing.T, w world) {
		p := probed(t, w)
		if got := given(p, false, true); len(got) != 5 {
			t.Errorf("too many: %v", got)
		}
		left := 0
		for _, err := range w.client(t).List(t.Context(), "") {
			must(t, err)
			left++
		}
		if left != 1 || w.server != nil && len(w.server.Uploads(bucket)) != 0 {
			t.Errorf("%d objects are left", left)
		}
	})
}

// What a store lacks is found.
func TestProbeFindsQuirks(t *testing.T) {
	for name, row := range map[string]struct {
		faults []s3test.Fault
		want   uploader.Quirks
	}{
		"no condition": {[]s3test.Fault{{Header: "If-None-Match", Effect: s3test.Ignore, Times: -1}}, uploader.Quirks{IfNoneMatch: "off", Checksum: "sha256", MultipartChecksum: "sha256"}},
		"a condition refused": {[]s3test.Fault{{Header: "If-None-Match", Status: 501, Times: -1}},
			uploader.Quirks{IfNoneMatch: "off", Checksum: "sha256", MultipartChecksum: "sha256"}},
		"no SHA-256": {[]s3test.Fault{{Header: "x-amz-checksum-sha256", Status: 501, Times: -1}, {Header: "x-amz-checksum-algorithm", Status: 501, Times: -1}},
			uploader.Quirks{IfNoneMatch: "off", Checksum: "crc32c", MultipartChecksum: "etag_only"}},
		"no multipart": {[]s3test.Fault{{Method: http.MethodPost, Status: 501, Times: -1}}, uploader.Quirks{IfNoneMatch: "on", Checksum: "sha256", MultipartChecksum: "none"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := fake(t, "low")
			c := w.client(t)
			_, err := c.Replace(t.Context(), object(device+"/device.json", fact))
			must(t, err)
			w.server.Script(row.faults...)
			if got := c.Probe(t.Context(), device, fact).Quirks(); got != row.want {
				t.Errorf("%+v, want %+v", got, row.want)
			}
		})
	}
}

func TestProbeOfAMissingRight(t *testing.T) {
	w := fake(t, "low")
	c := w.client(t)
	_, err := c.Replace(t.Context(), object(device+"/device.json", fact))
	must(t, err)
	w.server.Script(s3test.Fault{Query: "uploadId", Method: http.MethodGet, Status: 403, Times: -1}, s3test.Fault{Method: http.MethodGet, Key: device + "/device.json", Status: 403, Times: -1})
	if got := given(c.Probe(t.Context(), device, fact), true, false); !slices.Equal(got, []string{"read own objects", "list the parts of own uploads"}) {
		t.Errorf("missing: %v", got)
	}
}
