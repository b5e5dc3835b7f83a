// Package openapiauth reads who may call what from the security of an OpenAPI document, 3.0 or 3.1,
// as rules for net/http, chi or Echo.
//
//	//go:embed openapi.yaml
//	var document []byte
//
//	rules, err := openapiauth.Rules(document, openapiauth.Chi, &openapiauth.Options{Prefix: "/v1"})
//	...
//	r.Use(chiauth.Enforce(guard, rules, r))
//
// The adapters' own checks (chiauth.CheckRules, echoauth.Check) then name each route that the
// document forgot, and each operation that has no route. [Check] tells whether rules in code and a
// published document agree. [Annotate] writes the security of a document from rules in code.
//
// # What a document means
//
//   - security at an operation stands in the place of the document's. A list is an or, an object in
//     it an and: [{login: [a, b]}, {login: [c]}] is "(a and b) or c". No scopes is any good token.
//   - security: [] at an operation is public. It is written there: an operation without security,
//     in a document without, is an error. So is one that would be open because the document's
//     security is [] or has a {} in it.
//   - {} in an operation's list is optional: a caller without a token is accepted as anonymous, a
//     bad token is refused with 401. Scopes beside it are not asked for. A caller who lacks them is
//     accepted without the token, so asking for them would gain nothing. A handler that gives a
//     principal more than others must ask for the scope itself ([auth.Principal.HasScope]).
//   - The Guard checks a scheme whose type is oauth2, openIdConnect, or http with the scheme
//     bearer. The roles that OpenAPI 3.1 allows for the last are asked for as scopes. When a
//     document has several, Options.TokenSchemes names those whose tokens the Guard takes; several
//     in one object are asked of one token.
//   - Other schemes (apiKey, http basic, mutualTLS) are errors, since nobody would check them. As
//     an alternative they can be left out, which refuses the callers who have nothing else:
//     Options.IgnoreSchemes. Operations that need both are for Options.SkipOperations, and rules in
//     code.
//   - A scope of an oauth2 scheme must be declared by one of its flows, so that a misspelled one is
//     found.
//   - x-bearward-rule beside an operation's security narrows it, in the words of
//     [auth.ParseRequirement]: "read:orders and role:admin". Security must publish all that it can
//     say of that, so that clients know which scopes to ask for.
//   - Webhooks and callbacks are not read: the API makes those requests, and does not serve them. A
//     path item that is a reference is read where the reference leads within the document.
//   - servers are not read; Options.Prefix says where the paths are. Operations with servers of
//     their own are errors by default.
//
// A malformed document is refused, as far as rules depend on it. Unknown fields of a path item, an
// operation or a scheme are faults, so that a misspelled security is not taken for none. So are
// keys that are there twice, and YAML's merge keys, which readers take for different things.
// Versions other than 3.0 and 3.1 are refused. Schemas, parameters and responses are not looked at.
//
// # Paths
//
// A parameter is a whole segment: "/orders/{id}" is "/orders/{id}" for net/http and chi, and
// "/orders/:id" for Echo. Names are kept; for net/http, which takes Go's identifiers, each of "-.~"
// becomes an underscore: {order-id} is {order_id}. A trailing slash is only itself: "/orders/" is
// "/orders/{$}" for net/http, whose own trailing slash is everything below. Paths that a router
// would understand in another way are errors. Such paths have a colon (for Echo), an asterisk or
// percent-encoding, or differ from another in the names of parameters alone.
//
// HEAD has a rule of its own where the document has the operation, and else follows GET where the
// router maps it so.
//
// # Documents of others
//
// A document may come from elsewhere. These are bounded: its bytes (Options.MaxBytes), its depth
// (200), its values with YAML's aliases followed (2,097,152), and its lines of YAML directives
// (100). So are the alternatives of an operation and the scopes of each (100), and names that rules
// depend on (256 bytes). All texts of x-bearward-rule, aliases followed, have at most
// Options.MaxBytes together. To read a document takes up to some 800 times its bytes of memory.
// References that lead out of it are never fetched or opened, and an error where rules depend on
// them. All functions are safe for concurrent use.
package openapiauth
