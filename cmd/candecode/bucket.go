package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"canseal/decode/bucket"
	"canseal/decode/input"
	"canseal/uploader/s3"
)

// buckets are the buckets of a run, by name.
type buckets struct {
	s      *settings
	open   map[string]*bucket.Bucket
	client []*s3.Client
}

// find lists all recordings that the arguments name, in their order.
func (b *buckets) find(ctx context.Context, args []string, stdin io.Reader) (all []input.File, err error) {
	for _, arg := range args {
		var files []input.File
		if strings.HasPrefix(arg, bucket.Scheme) {
			files, err = b.list(ctx, arg)
		} else {
			files, err = input.Find([]string{arg}, stdin)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, files...)
	}
	return all, nil
}

func (b *buckets) list(ctx context.Context, arg string) ([]input.File, error) {
	name, prefix, err := bucket.Split(arg)
	if err != nil {
		return nil, usageError{err}
	}
	if b.s.trust != nil {
		return nil, usage("%s: --verify is for cards; canseal verify checks the segments of a bucket", arg)
	}
	if b.open[name] == nil {
		client, err := b.s.s3.Client(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", arg, err)
		}
		b.client = append(b.client, client)
		in := b.s.input
		b.open[name] = bucket.New(bucket.Options{Store: client, Name: name, Devices: in.Devices, From: in.From, To: in.To, Temp: in.Temp})
	}
	return b.open[name].Find(ctx, prefix)
}

// count tells the summary what was passed over.
func (b *buckets) count(sum *summary) {
	for _, open := range b.open {
		sum.Objects += open.Others
		sum.Others += open.Left
	}
}

func (b *buckets) close() (err error) {
	for _, open := range b.open {
		err = errors.Join(err, open.Close())
	}
	for _, client := range b.client {
		client.Close()
	}
	return err
}
