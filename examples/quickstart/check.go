package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/bearward/bearward/examples/internal/api"
	"github.com/bearward/bearward/examples/internal/client"
	"github.com/bearward/bearward/examples/internal/promise"
)

// cooldown limits how often an unknown key ID makes an API fetch keys. The check, and whoever
// presses the buttons, meets several new keys within seconds, so it is short here.
const cooldown = time.Second

// walk is one run of the check: an issuer, the API four times, one registered
// application, and the table.
type walk struct {
	report
	link      link // of clients with certificates
	issuer    *issuer
	fleet     fleet
	endpoints []endpoint
	app       *client.Client

	toolServer *toolServer
}

// check walks the whole way once, prints the table, and returns an error when
// anything was not as promised.
func check(ctx context.Context, out io.Writer) (err error) {
	w := &walk{report: report{out: out}}
	if w.link, err = (link{}).mutual(); err != nil {
		return err
	}
	if w.toolServer, err = listenTools(link{}); err != nil {
		return err
	}
	w.issuer, err = startIssuer(anyPort, 5*time.Minute, link{}, w.link, slog.New(slog.DiscardHandler), w.toolServer.url)
	if err != nil {
		return errors.Join(err, w.toolServer.shutdown(ctx))
	}
	defer func() {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		err = errors.Join(err, w.closeEndpoints(), w.fleet.shutdown(stop), w.toolServer.shutdown(stop), w.issuer.shutdown(stop))
	}()
	fmt.Fprintf(out, "Authorization server: %s\nAPI:                  %s behind %s\n", w.issuer.url, audience, strings.Join(api.Adapters(), ", "))
	w.legend()
	if err := w.run(ctx); err != nil {
		return err
	}
	if w.broken > 0 {
		return fmt.Errorf("%d of %d answers are not as promised", w.broken, w.checked)
	}
	fmt.Fprintf(out, "\nAll %d answers are as promised.\n", w.checked)
	return nil
}

func (w *walk) run(ctx context.Context) error {
	var err error
	if w.app, err = registerAt(ctx, w.issuer.url); err != nil {
		return err
	}
	reader, err := w.app.LogIn(ctx, alice, "openid", "offline_access", "read:orders")
	if err != nil {
		return err
	}
	writer, err := w.app.LogIn(ctx, bob, "read:orders", "write:orders", "admin:all")
	if err != nil {
		return err
	}
	fmt.Fprintf(w.out, "The application registered itself as %s; alice and bob logged in and consented.\n", w.app.OAuth.ClientID)

	for _, chapter := range []func(context.Context, *oauth2.Token, *oauth2.Token) error{
		w.coldStart, w.whoMayCallWhat, w.badTokens, w.streams, w.rotation, w.outage, w.refresh, w.bound, w.certified, w.opaque, w.tools,
	} {
		if err := chapter(ctx, reader, writer); err != nil {
			return err
		}
	}
	return nil
}

// registerAt registers the application of the check at an issuer.
func registerAt(ctx context.Context, issuer string) (*client.Client, error) {
	md, err := client.Discover(ctx, http.DefaultClient, issuer)
	if err != nil {
		return nil, err
	}
	return client.Register(ctx, http.DefaultClient, md, client.Registration{
		Name:         "Quickstart check",
		RedirectURIs: []string{"http://localhost:9/callback"},
		Scope:        "openid offline_access read:orders write:orders admin:all",
	}, audience)
}

// config is that of every API of the check.
func (w *walk) config() api.Config {
	return api.Config{
		Issuer: w.issuer.url, Audience: audience, Cooldown: cooldown, DPoP: api.DPoP{Allow: true},
		Leeway: -1, // one machine, one clock
	}
}

// open starts the API behind every adapter and a client for each.
func (w *walk) open() (err error) {
	w.fleet, err = startFleet(func(int) string { return anyPort }, w.config())
	if err != nil {
		return err
	}
	for i, adapter := range api.Adapters() {
		addr := w.fleet[i].Addr()
		if adapter != "grpc" {
			w.endpoints = append(w.endpoints, httpEndpoint{base: "http://" + addr, hc: httpClient()})
			continue
		}
		endpoint, err := dial(addr)
		if err != nil {
			return err
		}
		w.endpoints = append(w.endpoints, endpoint)
	}
	return nil
}

func (w *walk) closeEndpoints() error {
	var errs []error
	for _, d := range w.endpoints {
		if d, ok := d.(grpcEndpoint); ok {
			errs = append(errs, d.conn.Close())
		}
	}
	return errors.Join(errs...)
}

// ask makes one call through every adapter that offers it and prints the row.
func (w *walk) ask(ctx context.Context, op operation, tok token, p promise.Promise) {
	w.askAt(ctx, w.endpoints, op, tok, p)
}

// askAt is ask for other endpoints than those of the first chapter.
func (w *walk) askAt(ctx context.Context, endpoints []endpoint, op operation, tok token, p promise.Promise) {
	cells := make([]cell, len(endpoints))
	for i, d := range endpoints {
		if d.offers(op) {
			cells[i] = askOne(ctx, d, op, tok, p)
		}
	}
	w.row(op.String(), tok.name, p, cells)
}

func askOne(ctx context.Context, d endpoint, op operation, tok token, p promise.Promise) cell {
	out, err := d.call(ctx, op, tok)
	c := cell{asked: true, out: out}
	if err != nil {
		c.fault = err.Error()
		return c
	}
	c.fault = p.Broken(out)
	return c
}

// settle waits until every adapter keeps p, for what takes effect by itself.
func (w *walk) settle(ctx context.Context, op operation, tok token, p promise.Promise) error {
	return w.settleAt(ctx, w.endpoints, op, tok, p)
}

func (w *walk) settleAt(ctx context.Context, endpoints []endpoint, op operation, tok token, p promise.Promise) error {
	for _, d := range endpoints {
		err := until(ctx, func() error {
			if fault := askOne(ctx, d, op, tok, p).fault; fault != "" {
				return errors.New(fault)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("%s: %w", op, err)
		}
	}
	return nil
}

// coolDown lets the limit on fetches for unknown keys pass.
func coolDown(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(cooldown + cooldown/10):
	}
}
