package provider

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

const (
	serviceAccountFolder = "/var/run/secrets/kubernetes.io/serviceaccount/"
	maxClusterFile       = 1 << 20     // bytes, of a CA bundle or a token
	clusterDialTimeout   = time.Second // of a connection attempt, and of a TLS handshake: both are of the cluster
)

// ClusterOptions adjust what [InCluster] returns. The zero value, and nil, mean the defaults, which
// are right in a pod.
type ClusterOptions struct {
	// Hosts are the names of the API server that are sent the token, with their port where it is
	// not 443. Default kubernetes.default.svc and kubernetes.default.svc.cluster.local.
	Hosts []string
	// CAFile has the certificates, in PEM, that the API server's is to be verified by. Others do
	// not count. Default ca.crt of the pod's service account.
	CAFile string
	// TokenFile has the token that the API server asks for. It needs no permissions: that to read
	// the keys is every service account's. Default token of the pod's service account.
	TokenFile string
}

// InCluster returns a client for jwks.Options.Client. It fetches the keys of the Kubernetes cluster
// that the program runs in, where they are not public: see [Kubernetes]. It reads both files for
// each request, since kubelet replaces them. The token goes to Hosts alone, by https and GET:
// neither where a redirect leads nor to another host that metadata names. Those are asked without
// it. Every server needs a certificate of CAFile. No proxy is used.
//
// The error says which file cannot be used, as outside a cluster. The client holds no connection
// and may be used from many goroutines. Opts may be nil. Source: kubernetes.io "Accessing the
// Kubernetes API from a Pod".
func InCluster(opts *ClusterOptions) (*http.Client, error) {
	var o ClusterOptions
	if opts != nil {
		o = *opts
	}
	o.CAFile = cmp.Or(o.CAFile, serviceAccountFolder+"ca.crt")
	o.TokenFile = cmp.Or(o.TokenFile, serviceAccountFolder+"token")
	if len(o.Hosts) == 0 {
		o.Hosts = []string{"kubernetes.default.svc", "kubernetes.default.svc.cluster.local"}
	}
	o.Hosts = slices.Clone(o.Hosts)
	for i, h := range o.Hosts {
		if err := host("ClusterOptions.Hosts", h); err != nil {
			return nil, err
		}
		o.Hosts[i] = strings.ToLower(strings.TrimSuffix(h, ":443"))
	}
	if _, err := o.roots(); err != nil {
		return nil, fmt.Errorf("provider: ClusterOptions.CAFile: %w", err)
	}
	if _, err := o.token(); err != nil {
		return nil, fmt.Errorf("provider: ClusterOptions.TokenFile: %w", err)
	}
	return &http.Client{
		Transport:     clusterTransport{o},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// A clusterTransport has nothing that outlives a request.
type clusterTransport struct{ ClusterOptions }

func (c clusterTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	transport, header, err := c.prepare(r)
	if err != nil {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, err
	}
	if header != "" {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", header)
	}
	return transport.RoundTrip(r)
}

// prepare returns what makes the request, and the value of Authorization that it is to have.
func (c clusterTransport) prepare(r *http.Request) (*http.Transport, string, error) {
	if r.URL.Scheme != "https" { // check: cluster-https
		return nil, "", errors.New("provider: InCluster asks by https alone")
	}
	roots, err := c.roots()
	if err != nil {
		return nil, "", fmt.Errorf("provider: ClusterOptions.CAFile: %w", err)
	}
	dialer := net.Dialer{Timeout: clusterDialTimeout}
	transport := &http.Transport{
		DialContext:         dialer.DialContext,
		TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: clusterDialTimeout,
		DisableKeepAlives:   true, // the next request has another CA, perhaps
	}
	if !c.named(r.URL) || r.Method != http.MethodGet { // check: cluster-token-host
		return transport, "", nil
	}
	token, err := c.token()
	if err != nil {
		return nil, "", fmt.Errorf("provider: ClusterOptions.TokenFile: %w", err)
	}
	return transport, "Bearer " + token, nil
}

// named reports whether u is of one of Hosts.
func (o *ClusterOptions) named(u *url.URL) bool {
	return slices.Contains(o.Hosts, strings.ToLower(strings.TrimSuffix(u.Host, ":443")))
}

// roots reads CAFile.
func (o *ClusterOptions) roots() (*x509.CertPool, error) {
	pem, err := readBounded(o.CAFile)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) { // check: cluster-ca
		return nil, fmt.Errorf("%s has no certificate in PEM", o.CAFile)
	}
	return roots, nil
}

// token reads TokenFile. Its text is in no error.
func (o *ClusterOptions) token() (string, error) {
	text, err := readBounded(o.TokenFile)
	if err != nil {
		return "", err
	}
	text = bytes.TrimSpace(text)
	if len(text) == 0 || bytes.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f }) { // check: cluster-token
		return "", fmt.Errorf("%s has no token", o.TokenFile)
	}
	return string(text), nil
}

func readBounded(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxClusterFile+1))
	if err == nil && len(text) > maxClusterFile { // check: cluster-file-size
		return nil, fmt.Errorf("%s is over %d bytes", file, maxClusterFile)
	}
	return text, err
}
