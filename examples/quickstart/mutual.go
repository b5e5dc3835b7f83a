package main

import (
	"context"
	"net"
	"net/http"

	"golang.org/x/oauth2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/bearward/bearward/examples/internal/api"
	"github.com/bearward/bearward/examples/internal/clientcert"
	"github.com/bearward/bearward/examples/internal/promise"
)

// anyPort is for what no person calls: the quickstart's own clients are told where it is.
const anyPort = "127.0.0.1:0"

// mutual returns the link over which clients with certificates call: always with TLS, by l's
// authority if it has one. Its servers ask for a certificate.
func (l link) mutual() (link, error) {
	if l.server == nil {
		var err error
		if l, err = tlsLink(); err != nil {
			return link{}, err
		}
	}
	var err error
	l.server, err = clientcert.Asking(l.server)
	return l, err
}

// listenMutual listens for clients with certificates, and returns where they find it.
func listenMutual(m link) (net.Listener, string, error) {
	if m.server == nil {
		return nil, "", nil
	}
	listener, err := listen(anyPort)
	if err != nil {
		return nil, "", err
	}
	return listener, m.scheme() + listener.Addr().String(), nil
}

// startMutualFleet starts the API behind each adapter once more: with TLS, and for tokens that are
// bound to a certificate.
func startMutualFleet(m link, config api.Config) (fleet, error) {
	config.TLS, config.MTLS, config.DPoP = m.server, api.MTLS{Allow: true}, api.DPoP{}
	return startFleet(func(int) string { return anyPort }, config)
}

// transportWith is to servers of a mutual link, with c, or without a certificate when c is nil.
func (l link) transportWith(c *clientcert.Certificate) *http.Transport {
	t := l.transport()
	if l.client != nil {
		t.TLSClientConfig = c.In(l.client)
	}
	t.DisableKeepAlives = true // so that each call shows its certificate
	return t
}

// credentialsWith is transportWith for gRPC.
func (l link) credentialsWith(c *clientcert.Certificate) credentials.TransportCredentials {
	if l.client == nil {
		return l.credentials()
	}
	return credentials.NewTLS(c.In(l.client))
}

// with are the endpoints of a fleet, called with c, or without a certificate when c is nil. They
// end with done.
func (f fleet) with(m link, c *clientcert.Certificate) (all []endpoint, done func(), err error) {
	done = func() {
		for _, d := range all {
			if d, ok := d.(grpcEndpoint); ok {
				_ = d.conn.Close()
			}
		}
	}
	for i, adapter := range api.Adapters() {
		if adapter != "grpc" {
			all = append(all, httpEndpoint{base: m.scheme() + f[i].Addr(), hc: &http.Client{Timeout: callTimeout, Transport: m.transportWith(c)}})
			continue
		}
		conn, err := grpc.NewClient(f[i].Addr(), grpc.WithTransportCredentials(m.credentialsWith(c)))
		if err != nil {
			done()
			return nil, nil, err
		}
		all = append(all, grpcEndpoint{conn})
	}
	return all, done, nil
}

// certified: a token that is bound to a client certificate is worth nothing to a thief (RFC 8705).
func (w *walk) certified(ctx context.Context, _, _ *oauth2.Token) error {
	certificate, err := clientcert.New()
	if err != nil {
		return err
	}
	thiefs, err := clientcert.New()
	if err != nil {
		return err
	}
	buying := &http.Client{Transport: w.link.transportWith(certificate), Timeout: callTimeout}
	tok, err := w.app.Certified(buying).LogIn(ctx, alice, "read:orders")
	if err != nil {
		return err
	}
	plain, err := w.app.LogIn(ctx, bob, "read:orders")
	if err != nil {
		return err
	}
	f, err := startMutualFleet(w.link, w.config())
	if err != nil {
		return err
	}
	defer func() { _ = f.shutdown(context.WithoutCancel(ctx)) }()
	if err := f.waitReady(ctx); err != nil {
		return err
	}
	w.chapter("9. A token that is bound to its sender's certificate (mutual TLS)")
	bound, bobs := token{name: "alice's, its certificate", raw: tok.AccessToken}, token{name: "bob's plain, as before", raw: plain.AccessToken}
	for _, row := range []struct {
		op   operation
		name string
		with *clientcert.Certificate
		tok  token
		want promise.Promise
	}{
		{list, "alice's, its certificate", certificate, bound, promise.OKAs("alice")},
		{list, "stolen, no certificate", nil, bound, promise.BadToken()},
		{list, "stolen, another one", thiefs, bound, promise.BadToken()},
		{place, "alice's, its certificate", certificate, bound, promise.Needs("write:orders")},
		{greet, "alice's, its certificate", certificate, bound, promise.OKAs("alice")},
		{list, bobs.name, nil, bobs, promise.OKAs("bob")},
		{list, "bob's plain, with one", thiefs, bobs, promise.OKAs("bob")},
	} {
		endpoints, done, err := f.with(w.link, row.with)
		if err != nil {
			return err
		}
		row.tok.name = row.name
		w.askAt(ctx, endpoints, row.op, row.tok, row.want)
		done()
	}
	// The API that knows no certificates has nothing that could prove the sender.
	bound.name = "alice's, in clear"
	w.ask(ctx, list, bound, promise.BadToken())
	return nil
}
