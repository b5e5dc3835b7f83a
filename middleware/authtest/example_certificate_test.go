package authtest_test

import (
	"crypto/x509"
	"fmt"
	"net/http/httptest"

	"github.com/bearward/bearward/middleware/authtest"
)

// A client certificate, and the claim that binds a token to it.
func ExampleCertificate() {
	t := new(exampleT) // in a test: its *testing.T
	client := authtest.NewCertificate(t)
	r := httptest.NewRequest("GET", "/orders", nil)
	client.Present(r)
	fmt.Println(r.TLS.PeerCertificates[0].Equal(client.X509()))
	fmt.Println(client.Confirmation()["cnf"].(map[string]any)["x5t#S256"] == client.Thumbprint())
	// Output:
	// true
	// true
}

// Certificates of an authority, for servers that ask for its chain.
func ExampleCA() {
	t := new(exampleT) // in a test: its *testing.T
	ca := authtest.NewCA(t)
	fmt.Println(ca.X509().IsCA)
	for _, c := range []*authtest.Certificate{ca.Certificate("localhost"), authtest.NewCertificate(t, "localhost")} {
		_, err := c.TLS().Leaf.Verify(x509.VerifyOptions{Roots: ca.Pool(), DNSName: "localhost"})
		fmt.Println(err == nil)
	}
	// Output:
	// true
	// true
	// false
}

// A thief has another client's certificate, of the same authority.
func ExampleCertificate_Another() {
	t := new(exampleT) // in a test: its *testing.T
	ca := authtest.NewCA(t)
	owner := ca.Certificate()
	thief := owner.Another()
	_, err := thief.X509().Verify(x509.VerifyOptions{Roots: ca.Pool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	fmt.Println(err == nil, thief.Thumbprint() == owner.Thumbprint())
	// Output: true false
}
