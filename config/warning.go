package config

import (
	"fmt"
	"slices"
	"strings"
)

// Warnings are what a configuration that holds should still be asked about, in
// the order of lines: it works, and perhaps not as it was meant.
func (c *Config) Warnings() []Problem {
	var out []Problem
	warn := func(is bool, path, got, want, hint string) {
		if is {
			line, column := c.place(path)
			out = append(out, Problem{path, line, column, got, want, hint})
		}
	}
	row := c.Upload.Mode.Row()
	warn(row.Advice != "", "upload.mode", row.Name, row.Advice, row.Risk)
	warn(c.Upload.Mode == ModeOff, "upload.mode", "off", "a way to the bucket", "nothing is uploaded")
	warn(c.Upload.Prefix != "", "upload.prefix", quote(c.Upload.Prefix), "none", "CANedge tools expect the devices at the top of the bucket")
	warn(c.Upload.SecretKey.ByValue(), "upload.secret_key", "a secret by value", "stored", "canseald moves it to the state folder; flash does not forget: change that secret then")
	warn(row.Device && c.OTA.Policy == "off", "ota.policy", "off", "signed", "the device certificate can only be renewed by hand")
	warn(c.OTA.Policy == "bucket", "ota.policy", "bucket", "signed", "whoever writes the bucket rules this device")
	warn(c.TLS.LegacyDHE && c.TLS.Profile == "modern", "tls.legacy_dhe", "true", "profile compat or canedge with it", "profile modern never uses these suites")
	warn(c.Log.SplitOffset > 0 && c.Log.SplitTime == 0, "log.split_offset", showTime(c.Log.SplitOffset), "split_time with it", "without it the offset does nothing")
	for i, b := range c.Buses {
		dead := slices.ContainsFunc(b.Filter, func(f Filter) bool { return f.Action == "accept" })
		warn(b.Filter != nil && !dead, fmt.Sprintf("buses[%d].filter", i), "no entry that accepts", "one", "nothing of this bus is recorded")
	}
	return ordered(out)
}

// place is where the file names a path, or else the section around it.
func (c *Config) place(path string) (line, column int) {
	for ; path != ""; path = parent(path) {
		for _, s := range c.settings {
			if s.Path == path || strings.HasPrefix(s.Path, path+".") {
				return s.Line, s.Column
			}
		}
	}
	return 0, 0
}
