package s3test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
)

// policy is a bucket policy, as far as it is understood here: Allow and Deny,
// * and ? in actions and resources, the conditions StringLike s3:prefix, Bool
// aws:SecureTransport and Null s3:if-none-match.
type policy struct {
	Statement []rule
}

type rule struct {
	Effect    string
	Principal struct{ AWS []string }
	Action    []string
	Resource  []string
	Condition map[string]map[string]any
}

// parsePolicy refuses what would not be enforced.
func parsePolicy(text []byte) (*policy, error) {
	if len(text) == 0 {
		return nil, nil
	}
	p := new(policy)
	if err := json.Unmarshal(text, p); err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	known := []string{"StringLike s3:prefix", "Bool aws:SecureTransport", "Null s3:if-none-match", "Bool s3:ObjectCreationOperation"}
	for _, r := range p.Statement {
		for test, names := range r.Condition {
			for name := range names {
				if !slices.Contains(known, test+" "+name) {
					return nil, fmt.Errorf("policy: condition %s %s is not known here", test, name)
				}
			}
		}
	}
	return p, nil
}

// access is what a request wants.
type access struct {
	key, action, resource string // resource: arn:aws:s3:::BUCKET/KEY
	prefix                string
	secure, conditional   bool
}

// allows tells whether the policy lets a request through: some statement
// allows it and none denies it.
func (p *policy) allows(a access) bool {
	allowed := false
	for _, r := range p.Statement {
		if !r.fits(a) {
			continue
		}
		if r.Effect == "Deny" {
			return false
		}
		allowed = true
	}
	return allowed
}

func (r rule) fits(a access) bool {
	like := func(text string) func(string) bool {
		return func(pattern string) bool { return wildcard(pattern, text) }
	}
	return (slices.Contains(r.Principal.AWS, a.key) || slices.Contains(r.Principal.AWS, "*")) &&
		slices.ContainsFunc(r.Action, like(a.action)) && slices.ContainsFunc(r.Resource, like(a.resource)) && r.holds(a)
}

// holds tells whether all conditions of a statement do.
func (r rule) holds(a access) bool {
	for test, names := range r.Condition {
		for name, value := range names {
			switch test + " " + name {
			case "StringLike s3:prefix":
				if !slices.ContainsFunc(texts(value), func(p string) bool { return wildcard(p, a.prefix) }) {
					return false
				}
			case "Bool aws:SecureTransport":
				if fmt.Sprint(a.secure) != value {
					return false
				}
			case "Null s3:if-none-match":
				if fmt.Sprint(!a.conditional) != value {
					return false
				}
			}
		}
	}
	return true
}

// texts takes one string or a list of them.
func texts(value any) (list []string) {
	switch v := value.(type) {
	case string:
		return []string{v}
	case []any:
		for _, e := range v {
			list = append(list, fmt.Sprint(e))
		}
	}
	return list
}

// wildcard matches * and ? as policies have them; both match slashes.
func wildcard(pattern, text string) bool {
	for pattern != "" {
		switch {
		case pattern[0] == '*':
			for i := range len(text) + 1 {
				if wildcard(pattern[1:], text[i:]) {
					return true
				}
			}
			return false
		case text == "" || pattern[0] != '?' && pattern[0] != text[0]:
			return false
		}
		pattern, text = pattern[1:], text[1:]
	}
	return text == ""
}

// permit refuses a request that the policy does not allow.
func (x *exchange) permit(key string, query url.Values) error {
	if x.policy == nil || key == x.o.Owner {
		return nil
	}
	a := access{key: key, action: actionOf(x.r.Method, x.seen.Key != "", query), resource: "arn:aws:s3:::" + x.seen.Bucket,
		prefix: query.Get("prefix"), secure: x.r.TLS != nil, conditional: x.r.Header.Get("If-None-Match") != ""}
	if x.seen.Key != "" {
		a.resource += "/" + x.seen.Key
	}
	if !x.policy.allows(a) {
		return accessDenied
	}
	return nil
}

// actionOf names the right that a request needs.
func actionOf(method string, object bool, query url.Values) string {
	switch {
	case !object && query.Has("location"):
		return "s3:GetBucketLocation"
	case !object && method == http.MethodPut:
		return "s3:CreateBucket"
	case !object:
		return "s3:ListBucket"
	case query.Has("uploadId") && method == http.MethodGet:
		return "s3:ListMultipartUploadParts"
	case query.Has("uploadId") && method == http.MethodDelete:
		return "s3:AbortMultipartUpload"
	case method == http.MethodDelete:
		return "s3:DeleteObject"
	case method == http.MethodPut || method == http.MethodPost:
		return "s3:PutObject"
	}
	return "s3:GetObject"
}
