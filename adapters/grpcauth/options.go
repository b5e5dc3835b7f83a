package grpcauth

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	auth "github.com/bearward/bearward/middleware"
)

// Options adjust the guarding of a server, in place of the function ServerOptions:
// Options{AllowExpiredStreams: true}.ServerOptions(guard, rules). The zero value means the
// defaults.
type Options struct {
	// AllowExpiredStreams lets a stream go on after its token ran out, until its handler returns.
	// By default it is ended at the token's expiry plus the verifier's leeway. Until the token
	// expires, whatever else ends a stream still does, such as the withdrawal of its key.
	AllowExpiredStreams bool
}

// ServerOptions returns the options that guard a server by rules: Options{}.ServerOptions(guard,
// rules).
func ServerOptions(guard *auth.Guard, rules auth.Rules) []grpc.ServerOption {
	return Options{}.ServerOptions(guard, rules)
}

// ServerOptions returns the options that guard every unary call and every stream of a server by
// rules. The keys of rules are "/pkg.Service/Method", or "/pkg.Service/*" for a whole service; the
// exact key wins. Rules are copied.
//
// The interceptors are chained in the place where the options are given. Those chained before them
// see refusals; those chained after them see accepted calls only, with their Principal in the
// context. The one of grpc.UnaryInterceptor or StreamInterceptor stands in front of all that are
// chained, wherever it is given. [Check] tells where one stands in front of the guard.
//
// It panics, naming the fault, when guard is nil, a key has another form or a requirement is the
// zero one.
func (o Options) ServerOptions(guard *auth.Guard, rules auth.Rules) []grpc.ServerOption {
	if guard == nil {
		panic("grpcauth: ServerOptions needs a Guard")
	}
	t, err := newTable(rules)
	if err != nil {
		panic(err.Error())
	}
	for _, key := range slices.Sorted(maps.Keys(rules)) {
		if err := guard.CanEnforce(rules[key]); err != nil {
			panic(fmt.Sprintf("grpcauth: rule %q: %v", key, err))
		}
	}
	i := newInterceptors(guard, t, o)
	i.rules = maps.Clone(rules)
	return []grpc.ServerOption{grpc.ChainUnaryInterceptor(i.unary), grpc.ChainStreamInterceptor(i.stream)}
}

// interceptors are the two of a guarded server.
type interceptors struct {
	guard    *auth.Guard
	table    *table
	rules    auth.Rules // that the table is made of
	options  Options
	fields   []string                                 // that the guard reads
	binds    bool                                     // there are some
	complete func(context.Context, *auth.Credentials) // fills in what they read
	answers  sync.Pool                                // of http.Header, empty: a plain token costs none
}

func newInterceptors(guard *auth.Guard, t *table, o Options) *interceptors {
	i := &interceptors{guard: guard, table: t, options: o, fields: guard.ReadsFields()}
	i.binds, i.complete = i.fields != nil, i.completeCredentials
	i.answers.New = func() any { return make(http.Header) }
	return i
}

func (i *interceptors) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if info == nil { // asked by Check
		*req.(**interceptors) = i
		return nil, nil
	}
	answer := i.answer()
	granted, err := i.authorize(ctx, info.FullMethod, answer)
	if err != nil { // check: unary
		st, header, trailer := i.refusal(ctx, err, answer)
		_ = grpc.SetHeader(ctx, header) // these fail only outside a call
		_ = grpc.SetTrailer(ctx, trailer)
		return nil, st.Err()
	}
	if len(answer) > 0 { // check: unary-answer
		if err := grpc.SetHeader(ctx, metadataOf(answer)); err != nil {
			return nil, status.Error(codes.Internal, "the header was sent before the call was authorized")
		}
	}
	i.release(answer)
	return handler(granted, req)
}

func (i *interceptors) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if info == nil { // asked by Check
		*srv.(**interceptors) = i
		return nil
	}
	answer := i.answer()
	ctx, err := i.authorize(ss.Context(), info.FullMethod, answer)
	if err != nil { // check: stream
		return i.refuseStream(ss, err, answer)
	}
	if len(answer) > 0 { // check: stream-answer
		if err := ss.SetHeader(metadataOf(answer)); err != nil {
			return status.Error(codes.Internal, "the header was sent before the call was authorized")
		}
	}
	i.release(answer)
	rule := i.table.find(info.FullMethod)
	if rule.requirement.IsPublic() && !rule.changes { // check: public-watched
		return handler(srv, &guardedStream{ServerStream: ss, ctx: ctx})
	}
	return i.serveWatched(srv, ss, ctx, info.FullMethod, rule, handler)
}

// answer returns an empty header, and nil when no Binding can set a field.
func (i *interceptors) answer() http.Header {
	if !i.binds {
		return nil
	}
	return i.answers.Get().(http.Header)
}

// release gives back a header that holds nothing.
func (i *interceptors) release(answer http.Header) {
	if answer != nil && len(answer) == 0 {
		i.answers.Put(answer)
	}
}

// metadataOf returns header fields as metadata.
func metadataOf(h http.Header) metadata.MD {
	md := make(metadata.MD, len(h))
	for name, values := range h {
		md.Append(name, values...)
	}
	return md
}

// authorize asks the guard about one call. A method without a rule has the zero Requirement, which
// denies every request; its name is not told to hooks, since it may be the caller's own text where
// a server has an UnknownServiceHandler.
func (i *interceptors) authorize(ctx context.Context, method string, answer http.Header) (context.Context, error) {
	rule := i.table.find(method)
	if rule.requirement.IsPublic() {
		return ctx, nil
	}
	ctx, err := i.guard.Authorize(ctx, i.credentials(ctx, method, rule.key, answer), rule.requirement)
	delete(answer, "Vary") // these are for HTTP's caches
	delete(answer, "Cache-Control")
	return ctx, err
}

// credentials returns what the caller presented.
func (i *interceptors) credentials(ctx context.Context, method, operation string, answer http.Header) auth.Credentials {
	c := auth.Credentials{Operation: operation, Authorization: metadata.ValueFromIncomingContext(ctx, "authorization")}
	if i.binds {
		c.Method, c.Target, c.Answer, c.Complete = http.MethodPost, method, answer, i.complete
	}
	return c
}

// completeCredentials fills in what the connection and the metadata tell.
func (i *interceptors) completeCredentials(ctx context.Context, c *auth.Credentials) {
	if p, ok := peer.FromContext(ctx); ok {
		c.Peer = peerOf(p)
		if info, ok := p.AuthInfo.(credentials.TLSInfo); ok {
			c.TLS = &info.State
		}
	}
	c.Header = make(http.Header, len(i.fields))
	for _, name := range i.fields {
		if values := metadata.ValueFromIncomingContext(ctx, name); len(values) > 0 {
			c.Header[name] = values
		}
	}
}

// peerOf returns auth.Credentials.Peer. Under ServeHTTP it is unknown here: gRPC has only
// http.Request.RemoteAddr then, in a type of its own.
func peerOf(p *peer.Peer) netip.Addr {
	switch a := p.Addr.(type) {
	case *net.TCPAddr:
		return a.AddrPort().Addr().Unmap()
	case *net.UnixAddr:
		if socket, ok := p.LocalAddr.(*net.UnixAddr); ok && socket.Name != "" { // check: socket-unnamed
			return netip.IPv6Unspecified().WithZone(socket.Name)
		}
	}
	return netip.Addr{}
}
