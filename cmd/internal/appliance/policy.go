package appliance

import (
	"errors"
	"os"
	"strings"

	"canseal/internal/durable"
	"canseal/segment"
	"canseal/uploader/s3"
)

// CompletePolicy fills in what a card knows of a policy and the options do not
// name. The card is not asked where they name all that is needed.
func CompletePolicy(o Options, p *s3.PolicyOptions) error {
	if p.Bucket == "" || p.Device == "" || p.Key == "" {
		if err := policyOfCard(o, p); err != nil {
			return err
		}
	}
	p.Device = strings.ToUpper(p.Device)
	if _, err := segment.ParseDevice(p.Device); err != nil {
		return WithExit(ExitUsage, errors.New("which device? name it with --device, 8 hex digits"))
	}
	return nil
}

func policyOfCard(o Options, p *s3.PolicyOptions) error {
	card, state := durable.Dir(o.Root), durable.Dir(StateDir(o.Root, o.StateDir))
	s, err := loadSettings(card, o)
	if err != nil {
		return err
	}
	fill := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	fill(&p.Bucket, s.Upload.Bucket)
	fill(&p.Prefix, s.Upload.Prefix)
	fill(&p.Device, knownDevice(card, state, s))
	if p.Key == "" {
		if p.Key, err = s.Upload.AccessKey.Resolve(nil, os.Getenv); err != nil {
			return err
		}
	}
	if p.Bucket == "" || p.Key == "" {
		return WithExit(ExitConfig, errors.New("the configuration names no bucket or no access key: name them with --bucket and --key"))
	}
	return nil
}
