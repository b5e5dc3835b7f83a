// Package redisauth keeps in Redis what the replicas of an API share: which DPoP proofs were used
// (RFC 9449 §11.1), and which tokens were revoked. A [Store] is a dpop.ReplayStore, and its Revoked
// method a GuardOptions.Revoked.
//
//	store, err := redisauth.New(rueidis.ClientOption{InitAddress: []string{"127.0.0.1:6379"}}, nil)
//	if err != nil {
//		log.Fatal(err)
//	}
//	defer store.Close()
//	binding, err := dpop.New([]string{"https://api.example.com"}, store, nil)
//	if err != nil {
//		log.Fatal(err)
//	}
//	guard, err := auth.New("https://issuer.example", "https://api.example.com", &auth.GuardOptions{
//		Bindings: []auth.Binding{binding},
//		Revoked:  store.Revoked,
//	})
//
// New does not connect: an API starts while Redis is down, and the requests that need Redis are
// answered with 503 until it is there. Plain tokens need none, unless Revoked is set.
//
// A Store refuses to answer from a server that could forget: a replica, a cluster, and one whose
// maxmemory-policy is not noeviction. It looks at the server on each new connection and every 30
// seconds. When the server was restarted, replaced or emptied, proofs may have been lost. Requests
// with a proof are answered with 503 until every proof that was used before has expired; see
// Options.AllowLossOnRestart. README.md tells operators the rest.
package redisauth
