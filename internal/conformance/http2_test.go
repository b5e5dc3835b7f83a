package main_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/labstack/echo/v4"

	"github.com/bearward/bearward/adapters/chiauth"
	"github.com/bearward/bearward/adapters/echoauth"
	"github.com/bearward/bearward/adapters/httpauth"
	auth "github.com/bearward/bearward/middleware"
	"github.com/bearward/bearward/middleware/authtest"
)

// A house is an API of three rooms, by one adapter: each handler notes that it was entered.
type house struct {
	mu      sync.Mutex
	entered []string
}

func (h *house) room(name string) http.HandlerFunc {
	return func(http.ResponseWriter, *http.Request) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.entered = append(h.entered, name)
	}
}

func (h *house) left() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	rooms := h.entered
	h.entered = nil
	return rooms
}

var rooms = auth.Rules{"GET /admin": auth.Scopes("admin"), "GET /orders": auth.Scopes("read"), "GET /files/*": auth.Scopes("files")}

// houses are the adapters; what rewrites paths, each framework's own, is in front.
var houses = map[string]func(*auth.Guard, *house) http.Handler{
	"nethttp": func(g *auth.Guard, h *house) http.Handler {
		mux := httpauth.NewMux(g)
		mux.Handle("GET /admin", auth.Scopes("admin"), h.room("admin"))
		mux.Handle("GET /orders", auth.Scopes("read"), h.room("read"))
		mux.Handle("GET /files/", auth.Scopes("files"), h.room("files"))
		return mux
	},
	"chi": func(g *auth.Guard, h *house) http.Handler {
		r := chi.NewRouter()
		r.Use(middleware.CleanPath, middleware.StripSlashes, middleware.GetHead)
		guarded := chiauth.NewRouter(g, r)
		guarded.Get("/admin", auth.Scopes("admin"), h.room("admin"))
		guarded.Get("/orders", auth.Scopes("read"), h.room("read"))
		guarded.Get("/files/*", auth.Scopes("files"), h.room("files"))
		return r
	},
	"chi-table": func(g *auth.Guard, h *house) http.Handler {
		r := chi.NewRouter()
		r.Use(middleware.CleanPath, middleware.StripSlashes, chiauth.Enforce(g, rooms, r))
		r.Get("/admin", h.room("admin"))
		r.Get("/orders", h.room("read"))
		r.Get("/files/*", h.room("files"))
		return r
	},
	"echo-table": func(g *auth.Guard, h *house) http.Handler {
		e := echo.New()
		e.Use(echoauth.EnforceRules(g, rooms))
		e.GET("/admin", echo.WrapHandler(h.room("admin")))
		e.GET("/orders", echo.WrapHandler(h.room("read")))
		e.GET("/files/*", echo.WrapHandler(h.room("files")))
		return e
	},
}

// TestPseudoHeaders sends over HTTP/2 what no client would put into :method, :path and :authority,
// with a token for one room, and wants no other entered (row O-11).
func TestPseudoHeaders(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	for name, build := range houses {
		t.Run("O-11/"+name, func(t *testing.T) {
			h := new(house)
			server := httptest.NewUnstartedServer(build(issuer.Guard(nil), h))
			server.Config.Protocols = new(http.Protocols)
			server.Config.Protocols.SetUnencryptedHTTP2(true)
			server.Start()
			defer server.Close()
			reached := map[string]bool{}
			for _, scope := range []string{"", "read", "admin", "files"} {
				token := ""
				if scope != "" {
					token = issuer.Token(scope)
				}
				for _, method := range []string{"GET", "HEAD", "get", "POST", "CONNECT", "OPTIONS", "", "GET /orders"} {
					for _, path := range []string{
						"/admin", "/admin/", "//admin", "/./admin", "/files/../admin", "/files/%2e%2e/admin", "/files/..%2Fadmin", "/%61dmin", "/orders/../admin", "/orders", "admin", "*", "",
						"http://x/admin", "//x/admin", "/admin?/orders", "/orders?/admin", "/orders#/admin", "/admin%00", "/admin;x", "/files/x", "/orders\x00/admin", "/orders /admin", `\admin`,
					} {
						askHTTP2(t, server, method, path, token)
						for _, room := range h.left() {
							reached[room] = true
							if room != scope {
								t.Errorf("%q %q with scope %q entered the room of %q", method, path, scope, room)
							}
						}
					}
				}
			}
			if len(reached) != 3 {
				t.Errorf("only %v were ever entered", reached)
			}
		})
	}
}

// askHTTP2 makes one request over a connection of its own, frame by frame (RFC 9113), and waits
// until it is answered or refused.
func askHTTP2(t *testing.T, server *httptest.Server, method, path, token string) {
	t.Helper()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	var block []byte
	field := func(name, value string) { // a literal without indexing, and without Huffman's code (RFC 7541 §6.2.2)
		block = append(block, 0)
		for _, s := range []string{name, value} {
			if block = append(block, byte(min(len(s), 127))); len(s) >= 127 {
				block = binary.AppendUvarint(block, uint64(len(s)-127)) // RFC 7541 §5.1 has the same form
			}
			block = append(block, s...)
		}
	}
	field(":method", method)
	if method != http.MethodConnect {
		field(":scheme", "http")
		field(":path", path)
	}
	field(":authority", "x")
	if token != "" {
		field("authorization", "Bearer "+token)
	}
	field("x-http-method-override", "GET")
	var out bytes.Buffer
	out.WriteString("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	frame := func(kind, flags byte, stream uint32, payload []byte) {
		out.Write([]byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags})
		out.Write(binary.BigEndian.AppendUint32(nil, stream))
		out.Write(payload)
	}
	const headers, settings, reset, goAway, endStream, endHeaders = 1, 4, 3, 7, 1, 4
	frame(settings, 0, 0, nil)
	frame(headers, endStream|endHeaders, 1, block)
	if _, err := conn.Write(out.Bytes()); err != nil {
		t.Fatal(err)
	}
	for head := make([]byte, 9); ; {
		if _, err := io.ReadFull(conn, head); err != nil {
			return // the server hung up
		}
		if _, err := io.CopyN(io.Discard, conn, int64(head[0])<<16|int64(head[1])<<8|int64(head[2])); err != nil {
			return
		}
		ofRequest := binary.BigEndian.Uint32(head[5:]) == 1
		if head[3] == goAway || ofRequest && (head[3] == reset || head[4]&endStream != 0) {
			return
		}
	}
}

// TestTheResponseWriterKeepsItsFeaturesInHTTP2 holds row O-10 where Push is to be had.
func TestTheResponseWriterKeepsItsFeaturesInHTTP2(t *testing.T) {
	issuer := authtest.NewIssuer(t, nil)
	guard := issuer.Guard(nil)
	looked := make(chan []string, 1)
	look := func(w http.ResponseWriter, _ *http.Request) {
		var missing []string
		for w := w; ; {
			if p, ok := w.(http.Pusher); ok {
				if err := p.Push("/style.css", nil); err == nil {
					missing = append(missing, "a client that takes no push got one")
				}
				break
			}
			inner, ok := w.(interface{ Unwrap() http.ResponseWriter })
			if !ok {
				missing = append(missing, "Pusher")
				break
			}
			w = inner.Unwrap()
		}
		if err := http.NewResponseController(w).Flush(); err != nil {
			missing = append(missing, err.Error())
		}
		looked <- missing // the client has its answer from Flush on, before the handler is done
	}
	mux := httpauth.NewMux(guard)
	mux.HandleFunc("GET /orders", auth.AnyToken(), look)
	r := chi.NewRouter()
	chiauth.NewRouter(guard, r).Get("/orders", auth.AnyToken(), look)
	table := chi.NewRouter()
	table.Use(chiauth.Enforce(guard, auth.Rules{"GET /orders": auth.AnyToken()}, table))
	table.Get("/orders", look)
	e := echo.New()
	e.GET("/orders", func(c echo.Context) error { look(c.Response(), c.Request()); return nil }, echoauth.Enforce(guard, auth.AnyToken()))
	for name, h := range map[string]http.Handler{"nethttp": mux, "chi": r, "chi-table": table, "echo": e} {
		t.Run("O-10/"+name, func(t *testing.T) {
			server := httptest.NewUnstartedServer(h)
			server.EnableHTTP2 = true
			server.StartTLS()
			defer server.Close()
			ask, err := http.NewRequest("GET", server.URL+"/orders", nil)
			if err != nil {
				t.Fatal(err)
			}
			ask.Header.Set("Authorization", "Bearer "+issuer.Token("read"))
			resp, err := server.Client().Do(ask)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.ProtoMajor != 2 || resp.StatusCode != http.StatusOK {
				t.Fatalf("%s %s, want HTTP/2 and 200", resp.Proto, resp.Status)
			}
			// Before Close: it resets the stream, and a Flush that still waits for its write would
			// find it closed.
			if missing := <-looked; len(missing) > 0 {
				t.Errorf("missing %q", missing)
			}
		})
	}
}
