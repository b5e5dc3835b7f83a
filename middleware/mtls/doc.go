// Package mtls checks tokens that are bound to a client certificate (RFC 8705 §3). The token's
// "cnf" names the SHA-256 of the certificate. The caller shows by the TLS handshake that it has the
// certificate's key. A stolen token is worth nothing without that key.
//
//	binding, err := mtls.New(nil)
//	if err != nil {
//		log.Fatal(err)
//	}
//	guard, err := auth.New("https://issuer.example", "https://api.example.com", &auth.GuardOptions{Bindings: []auth.Binding{binding}})
//
// The server must ask for a certificate. tls.RequestClientCert does, and takes self-signed ones
// too, which is enough: what counts is the one certificate that the token names (RFC 8705 §2.2,
// §6.2). For certificates of one authority alone, use tls.VerifyClientCertIfGiven and ClientCAs.
//
//	server := &http.Server{Handler: mux, TLSConfig: &tls.Config{ClientAuth: tls.RequestClientCert}}
//
// Bound tokens come under the scheme Bearer, and so do plain ones, which need no certificate.
// auth.Bound and GuardOptions.RequireBound ask for bound tokens alone. A token that is bound to a
// certificate and to a DPoP key needs both proofs.
//
// # Behind a proxy
//
// Where a proxy ends TLS, it tells the API in a header field which certificate its caller showed.
// [Options].From names the proxies, by the address of the connection or by a Unix socket, and the
// field and form of each:
//
//	binding, err := mtls.New(&mtls.Options{From: []mtls.Proxy{{
//		Addresses: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/24")},
//		Field:     "X-Client-Cert", Form: mtls.EscapedPEM,
//	}}})
//	if err != nil {
//		log.Fatal(err)
//	}
//	guard, err := auth.New("https://issuer.example", "https://api.example.com", &auth.GuardOptions{Bindings: []auth.Binding{binding}})
//	server := &http.Server{Handler: mux, ConnContext: auth.ConnContext}
//
// The field of a connection from elsewhere is never read. On a connection from a proxy the field
// alone counts: the proxy's own certificate is never taken for the caller's. For HTTP servers,
// auth.ConnContext is needed: http.Request.RemoteAddr is no proof, since middlewares write into it
// what the caller says. gRPC's own server knows the connection by itself.
//
// The proxy must set the field on every request, also when its caller showed no certificate, so
// that no caller can set it himself. Another program that can reach the API from the proxy's
// address, such as one on its machine, can say what it likes.
//
// nginx writes [EscapedPEM]; the tests of this package run it:
//
//	# nginx
//	ssl_verify_client optional_no_ca;   # or: optional, with ssl_client_certificate
//	proxy_set_header X-Client-Cert $ssl_client_escaped_cert;
//
// HAProxy writes [RFC9440], or [Base64DER] without the colons:
//
//	# HAProxy
//	http-request set-header Client-Cert :%[ssl_c_der,base64]: if { ssl_c_used }
//	http-request del-header Client-Cert unless { ssl_c_used }
//	http-request del-header Upgrade if { req.fhdr(Upgrade) -m sub -i h2c }
//
// The last line is for APIs that serve HTTP/2 without TLS, as by h2c.NewHandler. HAProxy sends on
// an Upgrade to h2c, and behind it a caller writes the field himself.
//
// Envoy ([XFCC]), with forward_client_cert_details: SANITIZE_SET. Envoy writes the certificate's
// hash without being asked. Leave "subject", "uri" and "dns" of set_current_client_cert_details
// off where any certificate is accepted: their texts are of the certificate's maker.
//
// AWS Application Load Balancer in verify mode ([EscapedPEM]): the field is
// X-Amzn-Mtls-Clientcert-Leaf. In pass-through mode it is X-Amzn-Mtls-Clientcert, which may have
// the whole chain: New's Binding refuses more than one certificate.
package mtls
