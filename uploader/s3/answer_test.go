package s3_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"canseal/uploader"
	"canseal/uploader/s3"
)

// answering serves each request, read to its end, with what write sends.
func answering(write func(w io.Writer, method string)) func(net.Conn) {
	return func(c net.Conn) {
		r := bufio.NewReaderSize(c, 16)
		for {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			io.Copy(io.Discard, req.Body)
			write(c, req.Method)
		}
	}
}

// leave lets the servers of a bubble see that their client has gone.
func leave(c *s3.Client) {
	c.Close()
	time.Sleep(7 * 24 * time.Hour)
}

// verbs are all requests that a client can make.
var verbs = map[string]func(ctx context.Context, c *s3.Client) error{
	"create": func(ctx context.Context, c *s3.Client) error {
		_, err := c.Create(ctx, object(key, random(1000)))
		return err
	},
	"replace": func(ctx context.Context, c *s3.Client) error {
		_, err := c.Replace(ctx, object(key, random(1000)))
		return err
	},
	"stat": func(ctx context.Context, c *s3.Client) error { _, err := c.Stat(ctx, key); return err },
	"get":  func(ctx context.Context, c *s3.Client) error { _, err := c.Get(ctx, key, 1000); return err },
	"list": func(ctx context.Context, c *s3.Client) error {
		for _, err := range c.List(ctx, "") {
			if err != nil {
				return err
			}
		}
		return nil
	},
}

// heads are what an answer may begin with; what follows has no end.
var heads = map[string]string{
	"200":                    "200 OK\r\nETag: \"x\"\r\nLast-Modified: Mon, 02 Jan 2006 15:04:05 GMT\r\nContent-Length: 900000000\r\n\r\n",
	"200 without a length":   "200 OK\r\nETag: \"x\"\r\nLast-Modified: Mon, 02 Jan 2006 15:04:05 GMT\r\n\r\n",
	"200 with a false date":  "200 OK\r\nETag: \"x\"\r\nLast-Modified: never\r\nContent-Length: 900000000\r\n\r\n",
	"200, a list with blank": "200 OK\r\nContent-Length: 900000000\r\n\r\n<ListBucketResult></ListBucketResult>",
	"101":                    "101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
	"206":                    "206 Partial Content\r\nETag: \"x\"\r\nLast-Modified: Mon, 02 Jan 2006 15:04:05 GMT\r\nContent-Length: 900000000\r\n\r\n",
	"299":                    "299 Odd\r\nContent-Length: 900000000\r\n\r\n",
	"307":                    "307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 900000000\r\n\r\n",
	"403":                    "403 Forbidden\r\nContent-Length: 900000000\r\n\r\n",
	"412":                    "412 Precondition Failed\r\nContent-Length: 900000000\r\n\r\n",
	"503, chunked":           "503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n35a4e900\r\n",
	"header":                 "200 OK\r\nX: ",
}

// overlong ends a server, and the test, that nobody stops.
const overlong = 64 << 20

func TestAnAnswerWithoutEndEndsTheRequest(t *testing.T) {
	defer log.SetOutput(log.Writer())
	var words bytes.Buffer
	log.SetOutput(&words)
	for pace, row := range map[string]struct {
		bytes int
		each  time.Duration
	}{
		"drips":  {1, 20 * time.Second},
		"floods": {64 << 10, 0},
	} {
		for head, text := range heads {
			for verb, call := range verbs {
				t.Run(verb+"/"+head+" "+pace, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						var sent atomic.Int64
						c := piped(t, time.Minute, answering(func(w io.Writer, _ string) {
							io.WriteString(w, "HTTP/1.1 "+text)
							for start := time.Now(); sent.Load() < overlong && time.Since(start) < 24*time.Hour; time.Sleep(row.each) {
								n, err := w.Write(bytes.Repeat([]byte("A"), row.bytes))
								if sent.Add(int64(n)); err != nil {
									return
								}
							}
						}))
						start := time.Now()
						err := call(t.Context(), c)
						if d := time.Since(start); d > 2*time.Minute+5*time.Second {
							t.Errorf("it took %s (%v)", d, err)
						}
						leave(c)
						if n := sent.Load(); n > 5<<20 {
							t.Errorf("%d bytes were taken (%v)", n, err)
						}
					})
				})
			}
		}
	}
	if s := words.String(); strings.Contains(s, "RoundTripper") || strings.ContainsAny(s, "\x1b\r\a") {
		t.Errorf("the log of the process says %.500q", s)
	}
}

// A refusal counts, however long it goes on; of a success only its head does.
func TestAnAnswerWithoutEndHasItsClass(t *testing.T) {
	for _, row := range []struct {
		verb, head string
		want       uploader.Class
	}{
		{"replace", "403", uploader.Credentials},
		{"replace", "503, chunked", uploader.Busy},
		{"replace", "307", uploader.Config},
		{"stat", "403", uploader.CannotTell},
		{"list", "200", uploader.Network},
		{"list", "503, chunked", uploader.Busy},
		{"get", "200 without a length", uploader.Network},
		{"get", "header", uploader.Network},
	} {
		t.Run(row.verb+"/"+row.head, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := piped(t, time.Minute, answering(func(w io.Writer, _ string) {
					io.WriteString(w, "HTTP/1.1 "+heads[row.head])
					for range 1000 {
						if _, err := w.Write([]byte(" ")); err != nil {
							return
						}
						time.Sleep(20 * time.Second)
					}
				}))
				err := verbs[row.verb](t.Context(), c)
				e := wantClass(t, err, row.want)
				if row.want == uploader.Network && !strings.Contains(err.Error(), "too long") {
					t.Error(e)
				}
				leave(c)
			})
		})
	}
}

// A store behind a slow link is no attacker.
func TestASlowAnswerIsReadToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		content := random(1 << 20)
		c := piped(t, time.Minute, answering(func(w io.Writer, _ string) {
			fmt.Fprintf(w, "HTTP/1.1 200 OK\r\nETag: \"x\"\r\nLast-Modified: Mon, 02 Jan 2006 15:04:05 GMT\r\nContent-Length: %d\r\n\r\n", len(content))
			for rest := content; len(rest) > 0; rest = rest[2048:] {
				w.Write(rest[:2048])
				time.Sleep(time.Second)
			}
		}))
		got, err := c.Get(t.Context(), key, int64(len(content)))
		must(t, err)
		if !bytes.Equal(got, content) {
			t.Error("the bytes differ")
		}
		leave(c)
	})
}

// A server may not hold a request by talking while it takes nothing.
func TestAServerThatTalksAndTakesNothingEndsTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := piped(t, time.Minute, func(s net.Conn) {
			io.WriteString(s, "HTTP/1.1 200 OK\r\nX: ")
			for range 10_000 {
				time.Sleep(20 * time.Second)
				if _, err := s.Write([]byte("A")); err != nil {
					return
				}
			}
		})
		start := time.Now()
		_, err := c.Replace(t.Context(), object(key, random(800_000)))
		wantClass(t, err, uploader.Network)
		if d := time.Since(start); d > 80*time.Second {
			t.Errorf("it took %s", d)
		}
		leave(c)
	})
}

func TestAListHasALimitOfPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pages := 0
		c := piped(t, time.Minute, answering(func(w io.Writer, _ string) {
			pages++
			page := fmt.Sprintf("<ListBucketResult><IsTruncated>%v</IsTruncated><NextContinuationToken>%d</NextContinuationToken></ListBucketResult>",
				pages < 20_000, pages)
			fmt.Fprintf(w, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(page), page)
		}))
		err := verbs["list"](t.Context(), c)
		wantClass(t, err, uploader.Unknown)
		if pages != 1000 || !strings.Contains(err.Error(), "too long") {
			t.Errorf("%d pages: %v", pages, err)
		}
		leave(c)
	})
}

// A later page that fails is not judged by the one before it.
func TestABrokenSecondPageIsANetworkFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		served := false
		c := piped(t, time.Minute, func(s net.Conn) {
			r := bufio.NewReaderSize(s, 16)
			if http.ReadRequest(r); served {
				return
			}
			served = true
			page := "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>1</NextContinuationToken></ListBucketResult>"
			fmt.Fprintf(s, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(page), page)
			http.ReadRequest(r)
		})
		wantClass(t, verbs["list"](t.Context(), c), uploader.Network)
		leave(c)
	})
}

// What no receipt can hold is no part of what a store says.
func TestLabelsThatNoReceiptHoldsAreDropped(t *testing.T) {
	for label, want := range map[string]string{
		"d41d8cd98f00b204e9800998ecf8427e-12": "d41d8cd98f00b204e9800998ecf8427e-12",
		strings.Repeat("e", 1024):             strings.Repeat("e", 1024),
		strings.Repeat("e", 1025):             "",
		"a\x9b31mb":                           "",
		"a\tb":                                "",
		secret:                                "",
	} {
		synctest.Test(t, func(t *testing.T) {
			c := piped(t, time.Minute, answering(func(w io.Writer, _ string) {
				fmt.Fprintf(w, "HTTP/1.1 200 OK\r\nETag: \"%s\"\r\nx-amz-version-id: %s\r\nLast-Modified: Mon, 02 Jan 2006 15:04:05 GMT\r\nContent-Length: 0\r\n\r\n", label, label)
			}))
			for verb, stored := range map[string]func() (uploader.Stored, error){
				"put":  func() (uploader.Stored, error) { return c.Replace(t.Context(), object(key, random(10))) },
				"stat": func() (uploader.Stored, error) { return c.Stat(t.Context(), key) },
			} {
				s, err := stored()
				must(t, err)
				if s.ETag != want || s.VersionID != want {
					t.Errorf("%s: %.40q is kept as %.40q, %.40q", verb, label, s.ETag, s.VersionID)
				}
			}
			leave(c)
		})
	}
}
