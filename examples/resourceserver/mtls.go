package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"github.com/bearward/bearward/examples/internal/api"
	"github.com/bearward/bearward/middleware/mtls"
)

// mtlsFlags are those of TLS and of client certificates (RFC 8705).
type mtlsFlags struct {
	cert, key string
	mtls      bool
	clientCA  string
	header    string
	proxies   string
}

func (m *mtlsFlags) register(fs *flag.FlagSet) {
	fs.StringVar(&m.cert, "tls-cert", "", "PEM `file` with the server's certificate and its chain: serve TLS")
	fs.StringVar(&m.key, "tls-key", "", "PEM `file` with the key of -tls-cert")
	fs.BoolVar(&m.mtls, "mtls", false, "ask clients for a certificate, and accept tokens that are bound to it; needs -tls-cert")
	fs.StringVar(&m.clientCA, "client-ca", "", "PEM `file` with the authorities of clients' certificates (default: any certificate)")
	fs.StringVar(&m.header, "client-cert-header", "", "`form` in which a proxy tells of the certificate: client-cert, xfcc, escaped-pem:FIELD, base64der:FIELD; needs -trusted-proxy")
	fs.StringVar(&m.proxies, "trusted-proxy", "", "`CIDR[,CIDR]` that the proxy of -client-cert-header connects from")
}

// apply sets cfg.TLS and cfg.MTLS. Flags that would have no effect are an error.
func (m *mtlsFlags) apply(cfg *api.Config) error {
	switch {
	case (m.cert == "") != (m.key == ""):
		return errors.New("-tls-cert and -tls-key need each other")
	case m.mtls && m.cert == "":
		return errors.New("-mtls needs -tls-cert and -tls-key")
	case m.clientCA != "" && !m.mtls:
		return errors.New("-client-ca needs -mtls")
	case (m.header == "") != (m.proxies == ""):
		return errors.New("-client-cert-header and -trusted-proxy need each other")
	}
	if m.cert != "" {
		var err error
		if cfg.TLS, err = m.serverTLS(); err != nil {
			return err
		}
	}
	cfg.MTLS.Allow = m.mtls
	if m.header == "" {
		return nil
	}
	proxy, err := m.proxy()
	if err != nil {
		return err
	}
	if _, err := mtls.New(&mtls.Options{From: []mtls.Proxy{proxy}}); err != nil {
		return fmt.Errorf("-client-cert-header %s -trusted-proxy %s: %w", m.header, m.proxies, err)
	}
	cfg.MTLS.Proxies = []mtls.Proxy{proxy}
	return nil
}

// serverTLS asks for a certificate when m says so, and never wants one at the handshake.
func (m *mtlsFlags) serverTLS() (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(m.cert, m.key)
	if err != nil {
		return nil, fmt.Errorf("-tls-cert, -tls-key: %w", err)
	}
	c := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	if !m.mtls {
		return c, nil
	}
	c.ClientAuth = tls.RequestClientCert // that proves its key, and that is enough (RFC 8705 §2.2)
	if m.clientCA != "" {
		text, err := os.ReadFile(m.clientCA)
		if err != nil {
			return nil, fmt.Errorf("-client-ca: %w", err)
		}
		c.ClientAuth, c.ClientCAs = tls.VerifyClientCertIfGiven, x509.NewCertPool()
		if !c.ClientCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("-client-ca: %s has no certificate in PEM", m.clientCA)
		}
	}
	return c, nil
}

// proxy reads -client-cert-header and -trusted-proxy.
func (m *mtlsFlags) proxy() (mtls.Proxy, error) {
	form, field, named := strings.Cut(m.header, ":")
	var p mtls.Proxy
	switch {
	case form == "client-cert" && !named:
		p.Form = mtls.RFC9440
	case form == "xfcc" && !named:
		p.Form = mtls.XFCC
	case form == "escaped-pem" && field != "":
		p.Form = mtls.EscapedPEM
	case form == "base64der" && field != "":
		p.Form = mtls.Base64DER
	default:
		return p, fmt.Errorf("-client-cert-header %q is none of client-cert, xfcc, escaped-pem:FIELD, base64der:FIELD", m.header)
	}
	p.Field = field
	for text := range strings.SplitSeq(m.proxies, ",") {
		prefix, err := netip.ParsePrefix(strings.TrimSpace(text))
		if err != nil {
			return p, fmt.Errorf("-trusted-proxy %q is no CIDR, such as 10.1.0.0/24", text)
		}
		p.Addresses = append(p.Addresses, prefix)
	}
	return p, nil
}
