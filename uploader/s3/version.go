package s3

import (
	"context"
	"time"

	"canseal/uploader"

	"github.com/minio/minio-go/v7"
)

// Version tells one version of an object from another; the zero value: there is
// none, or none that we may see. Stores say 403 for a missing key to whoever may
// not list, so the two are not told apart.
type Version struct {
	ETag     string
	Modified time.Time
}

// Version looks which version of an object is there.
func (c *Client) Version(ctx context.Context, key string) (Version, error) {
	if err := checkKey(key); err != nil {
		return Version{}, err
	}
	x := &exchange{op: opStat}
	info, err := c.core.Client.StatObject(x.in(ctx), c.o.Bucket, key, minio.StatObjectOptions{})
	if err == nil {
		return Version{ETag: c.label(info.ETag), Modified: info.LastModified.UTC()}, nil
	}
	refused := c.refused(x, err)
	if refused.Class == uploader.NoneThere || refused.Class == uploader.CannotTell {
		return Version{}, nil
	}
	return Version{}, refused
}
