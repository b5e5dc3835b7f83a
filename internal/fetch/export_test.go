package fetch

import "crypto/x509"

// Trust makes the Client's own transport believe one more authority.
func (c *Client) Trust(roots *x509.CertPool) { c.own.TLSClientConfig.RootCAs = roots }
