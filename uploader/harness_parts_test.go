package uploader_test

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"

	"canseal/uploader"
)

// upload is a multipart upload of the fake.
type upload struct {
	key   string
	meta  map[string]string
	parts map[int][]byte
}

func (s *store) Begin(_ context.Context, u uploader.Upload, meta map[string]string) (uploader.Upload, error) {
	if _, err := s.begin("begin", u.Key); err != nil {
		return u, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begun++
	u.ID = fmt.Sprint("upload", s.begun)
	s.uploads[u.ID] = &upload{u.Key, meta, map[int][]byte{}}
	return u, nil
}

func (s *store) PutPart(_ context.Context, u uploader.Upload, p uploader.Part, body io.ReadSeeker) (string, error) {
	r, err := s.begin("part", u.Key)
	if err != nil {
		return "", err
	}
	data, err := io.ReadAll(body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests[len(s.requests)-1].bytes = int64(len(data))
	up := s.uploads[u.ID]
	switch {
	case up == nil:
		return "", refusal(uploader.NoneThere)
	case err != nil || sha256.Sum256(data) != p.SHA256 || u.ETagOnly && md5.Sum(data) != p.MD5:
		return "", &uploader.Error{Class: uploader.Transfer, Code: "BadDigest", Err: err}
	}
	up.parts[p.Number] = data
	if s.lose != nil {
		if err := s.lose(r); err != nil {
			return "", err
		}
	}
	return etagOf(data), nil
}

func etagOf(data []byte) string {
	sum := md5.Sum(data)
	return hex.EncodeToString(sum[:])
}

func (s *store) Parts(_ context.Context, u uploader.Upload) (list []uploader.Part, err error) {
	if _, err := s.begin("parts", u.Key); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	up := s.uploads[u.ID]
	if up == nil {
		return nil, refusal(uploader.NoneThere)
	}
	for n, data := range up.parts {
		p := uploader.Part{Number: n, Size: int64(len(data)), ETag: etagOf(data)}
		if !u.ETagOnly {
			p.SHA256 = sha256.Sum256(data)
		}
		list = append(list, p)
	}
	return list, nil
}

func (s *store) Complete(_ context.Context, u uploader.Upload, o uploader.Object, parts []uploader.Part, create bool) (uploader.Stored, error) {
	r, err := s.begin("complete", u.Key)
	if err != nil {
		return uploader.Stored{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	up := s.uploads[u.ID]
	if up == nil {
		return uploader.Stored{}, refusal(uploader.NoneThere)
	}
	if there, taken := s.objects[u.Key]; taken && create {
		st := s.said(request{verb: "stat", key: u.Key}, there)
		_, class := o.Match(st)
		return st, &uploader.Error{Class: class, Status: 412}
	}
	kept := object{meta: up.meta}
	shas, mds := sha256.New(), md5.New()
	for i, p := range parts {
		data := up.parts[p.Number]
		if p.Number != i+1 || etagOf(data) != p.ETag {
			return uploader.Stored{}, refusal(uploader.Transfer)
		}
		kept.data = append(kept.data, data...)
		sha, md := sha256.Sum256(data), md5.Sum(data)
		shas.Write(sha[:])
		mds.Write(md[:])
	}
	kept.etag = fmt.Sprintf("%x-%d", mds.Sum(nil), len(parts))
	if !u.ETagOnly {
		kept.checksum = uploader.Checksum{Algorithm: "SHA256", Type: "COMPOSITE", Value: fmt.Sprintf("%s-%d", base64.StdEncoding.EncodeToString(shas.Sum(nil)), len(parts))}
	}
	s.objects[u.Key] = kept
	s.puts[u.Key]++
	delete(s.uploads, u.ID)
	if s.lose != nil {
		if err := s.lose(r); err != nil {
			return uploader.Stored{}, err
		}
	}
	return s.said(r, kept), nil
}

func (s *store) Abort(_ context.Context, u uploader.Upload) error {
	if _, err := s.begin("abort", u.Key); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.uploads, u.ID)
	return nil
}
