package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/bearward/bearward/examples/internal/devca"
)

// link is how the parts talk to each other: in clear, or with TLS by a
// throw-away CA. The zero link is in clear.
type link struct {
	server, client *tls.Config
	caPEM          []byte
}

// tlsLink makes a CA.
func tlsLink() (link, error) {
	ca, err := devca.New()
	if err != nil {
		return link{}, err
	}
	return link{server: ca.Server(), client: ca.Client(), caPEM: ca.PEM}, nil
}

// publish writes the CA's certificate to caFile, for curl and for the browser.
func (l link) publish(caFile string) error {
	if l.caPEM == nil {
		return nil
	}
	if err := os.WriteFile(caFile, l.caPEM, 0o644); err != nil {
		return fmt.Errorf("-ca-file: %w", err)
	}
	return nil
}

// trust returns the link of a client that trusts the CA in caFile.
func trust(caFile string) (link, error) {
	text, err := os.ReadFile(caFile)
	if err != nil {
		return link{}, fmt.Errorf("-ca-file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return link{}, fmt.Errorf("-ca-file: %s holds no certificate", caFile)
	}
	return link{client: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}, nil
}

func (l link) scheme() string {
	if l.client == nil {
		return "http://"
	}
	return "https://"
}

func (l link) wrap(listener net.Listener) net.Listener {
	if l.server == nil {
		return listener
	}
	return tls.NewListener(listener, l.server)
}

func (l link) transport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = l.client.Clone() // a Transport writes to its own
	return t
}

func (l link) credentials() credentials.TransportCredentials {
	if l.client == nil {
		return insecure.NewCredentials()
	}
	return credentials.NewTLS(l.client)
}
