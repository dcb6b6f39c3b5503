package s3

import (
	"bytes"
	"encoding/json"
	"path"
)

// PolicyOptions name whom a policy is for.
type PolicyOptions struct {
	Bucket   string
	Prefix   string // of all keys, mostly empty
	Device   string // DEVICEID
	Key      string // who the device is for the store: its access key, or on AWS an ARN
	Operator string // who writes settings, the same way; empty: nobody is allowed to by this policy
	// TLSOnly shuts plain HTTP for the device. Behind a proxy that ends TLS it
	// would shut everything.
	TLSOnly bool
	// Conditional forbids the device to write over its own segments. AWS alone
	// is known to take it.
	Conditional bool
}

// settingNames are the objects that a device only reads.
var settingNames = []string{"config.yaml*", "certs_server.p7b*", "update.json*", "device.crt*"}

type statement struct {
	Sid, Effect string
	Principal   principal
	Action      []string
	Resource    []string
	Condition   map[string]map[string]any `json:",omitempty"`
}

type principal struct{ AWS []string }

// Policy returns the bucket policy of least rights for one device: JSON with
// its line end. Every function of the daemon works under it.
func Policy(o PolicyOptions) []byte {
	device := principal{[]string{o.Key}}
	home := path.Join(o.Prefix, o.Device)
	var settings []string
	for _, name := range settingNames {
		settings = append(settings, o.arn("*/"+name))
	}
	list := []statement{
		{Sid: "DeviceLogs", Effect: "Allow", Principal: device, Action: []string{"s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"},
			Resource: []string{o.arn(home + "/????????/*")}},
		{Sid: "DeviceFacts", Effect: "Allow", Principal: device, Action: []string{"s3:PutObject"},
			Resource: []string{o.arn(home + "/device.json"), o.arn(home + "/device.csr*"), o.arn(home + "/events.jsonl")}},
		{Sid: "DeviceReads", Effect: "Allow", Principal: device, Action: []string{"s3:GetObject"}, Resource: []string{o.arn(home + "/*")}},
		{Sid: "DeviceLists", Effect: "Allow", Principal: device, Action: []string{"s3:ListBucket"}, Resource: []string{"arn:aws:s3:::" + o.Bucket},
			Condition: condition("StringLike", "s3:prefix", []string{home + "/*"})},
		{Sid: "DeviceNeverSettings", Effect: "Deny", Principal: device, Action: []string{"s3:PutObject"}, Resource: settings},
		{Sid: "DeviceNeverDeletes", Effect: "Deny", Principal: device, Action: []string{"s3:DeleteObject"}, Resource: []string{o.arn("*")}},
	}
	list = append(list, o.wished(device, home, settings)...)
	return printed(struct {
		Version   string
		Statement []statement
	}{"2012-10-17", list})
}

// wished are the statements that somebody has asked for.
func (o PolicyOptions) wished(device principal, home string, settings []string) (list []statement) {
	if o.TLSOnly {
		list = append(list, statement{Sid: "DeviceNeverPlain", Effect: "Deny", Principal: device, Action: []string{"s3:*"},
			Resource: []string{"arn:aws:s3:::" + o.Bucket, o.arn("*")}, Condition: condition("Bool", "aws:SecureTransport", "false")})
	}
	if o.Conditional {
		c := condition("Null", "s3:if-none-match", "true")
		c["Bool"] = map[string]any{"s3:ObjectCreationOperation": "true"}
		list = append(list, statement{Sid: "DeviceNeverOverwrites", Effect: "Deny", Principal: device, Action: []string{"s3:PutObject"},
			Resource: []string{o.arn(home + "/????????/*")}, Condition: c})
	}
	if o.Operator != "" {
		operator := principal{[]string{o.Operator}}
		list = append(list,
			statement{Sid: "OperatorWrites", Effect: "Allow", Principal: operator, Action: []string{"s3:PutObject"}, Resource: settings},
			statement{Sid: "OperatorReads", Effect: "Allow", Principal: operator, Action: []string{"s3:GetObject"}, Resource: []string{o.arn("*")}})
	}
	return list
}

func (o PolicyOptions) arn(key string) string { return "arn:aws:s3:::" + o.Bucket + "/" + key }

func condition(test, name string, value any) map[string]map[string]any {
	return map[string]map[string]any{test: {name: value}}
}

// printed is a policy as people read it: one statement a line.
func printed(policy any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.Encode(policy) // strings and maps of them: nothing can fail
	return bytes.ReplaceAll(b.Bytes(), []byte(`{"Sid"`), []byte("\n {\"Sid\""))
}
