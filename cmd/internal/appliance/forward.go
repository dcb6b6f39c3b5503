package appliance

import (
	"context"
	"io"

	"canseal/uploader"
	"canseal/uploader/s3"
)

var _ uploader.Store = (*store)(nil)

// through asks the client, made now if it was not, and judges its error.
func through[T any](s *store, ask func(*s3.Client) (T, error)) (answer T, err error) {
	client, err := s.open()
	if err != nil {
		return answer, err
	}
	answer, err = ask(client)
	s.judge(err)
	return answer, err
}

// Create and all that follow are those of the client.
func (s *store) Create(ctx context.Context, o uploader.Object) (uploader.Stored, error) {
	return through(s, func(c *s3.Client) (uploader.Stored, error) { return c.Create(ctx, o) })
}

func (s *store) Replace(ctx context.Context, o uploader.Object) (uploader.Stored, error) {
	return through(s, func(c *s3.Client) (uploader.Stored, error) { return c.Replace(ctx, o) })
}

func (s *store) Stat(ctx context.Context, key string) (uploader.Stored, error) {
	return through(s, func(c *s3.Client) (uploader.Stored, error) { return c.Stat(ctx, key) })
}

func (s *store) Begin(ctx context.Context, u uploader.Upload, meta map[string]string) (uploader.Upload, error) {
	return through(s, func(c *s3.Client) (uploader.Upload, error) { return c.Begin(ctx, u, meta) })
}

func (s *store) PutPart(ctx context.Context, u uploader.Upload, p uploader.Part, body io.ReadSeeker) (string, error) {
	return through(s, func(c *s3.Client) (string, error) { return c.PutPart(ctx, u, p, body) })
}

func (s *store) Parts(ctx context.Context, u uploader.Upload) ([]uploader.Part, error) {
	return through(s, func(c *s3.Client) ([]uploader.Part, error) { return c.Parts(ctx, u) })
}

func (s *store) Complete(ctx context.Context, u uploader.Upload, o uploader.Object, parts []uploader.Part, create bool) (uploader.Stored, error) {
	return through(s, func(c *s3.Client) (uploader.Stored, error) { return c.Complete(ctx, u, o, parts, create) })
}

func (s *store) Abort(ctx context.Context, u uploader.Upload) error {
	_, err := through(s, func(c *s3.Client) (struct{}, error) { return struct{}{}, c.Abort(ctx, u) })
	return err
}
