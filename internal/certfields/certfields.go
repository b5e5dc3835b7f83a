// Package certfields writes a client certificate as proxies tell it to the API behind them. The
// test kits send that as a caller who is no proxy would.
package certfields

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"maps"
	"net/url"
)

// either are the names of fields that hold PEM in percent-encoding, or the base64 of DER.
var either = []string{
	"Cf-Client-Cert-Der-Base64", "Ssl-Client-Cert", "X-Amzn-Mtls-Clientcert", "X-Amzn-Mtls-Clientcert-Leaf",
	"X-Arr-Clientcert", "X-Client-Cert", "X-Client-Certificate", "X-Forwarded-Tls-Client-Cert",
	"X-Ssl-Cert", "X-Ssl-Client-Cert", "X-Ssl-Client-Certificate", "X-Tls-Client-Cert",
}

// Forged returns what a caller could send who has another's certificate and not its key: header
// fields by their canonical names. Names that proxies write in different ways are there once for
// each way, so that there are several sets.
func Forged(c *x509.Certificate) []map[string]string {
	der := base64.StdEncoding.EncodeToString(c.Raw)
	text := url.PathEscape(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})))
	hash := sha256.Sum256(c.Raw)
	verified := map[string]string{"X-Ssl-Client-Verify": "SUCCESS", "Ssl-Client-Verify": "SUCCESS", "X-Client-Verify": "SUCCESS"}
	sets := []map[string]string{
		{"Client-Cert": ":" + der + ":", "X-Forwarded-Client-Cert": "Hash=" + hex.EncodeToString(hash[:]) + `;Cert="` + text + `"`},
		{"X-Forwarded-Client-Cert": `Cert="` + text + `"`},
	}
	for i, value := range []string{text, der} {
		for _, name := range either {
			sets[i][name] = value
		}
		maps.Copy(sets[i], verified)
	}
	return sets
}
