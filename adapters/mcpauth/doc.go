// Package mcpauth guards a server of the Model Context Protocol (MCP) with an [auth.Guard]. The
// server is one of the official SDK, github.com/modelcontextprotocol/go-sdk.
//
// Each tool, resource and prompt has its own rule:
//
//	rules := mcpauth.Protocol() // what every client sends: any token
//	rules["tools/call list_orders"] = auth.Scopes("read:orders")
//	rules["tools/call cancel_order"] = auth.Scopes("write:orders")
//	http.Handle("/mcp", mcpauth.Guard(server, guard, rules, nil))
//
// [Guard] refuses to start while a tool, resource or prompt of the server has no rule. [Handler],
// [Enforce] and [Check] are its parts, for servers that are put together otherwise.
//
// # Rules
//
// The key of a rule is one of these:
//
//	tools/call NAME       a call of the tool; "tools/call *" is for the tools that no other rule names
//	prompts/get NAME      the prompt; "prompts/get *" likewise
//	resources/read URI    the resource, or the template as it was registered (RFC 6570)
//	METHOD                every other method, such as "tools/list"
//	response              the client's answer to a question of the server (sampling, elicitation)
//	GET, DELETE           the standing stream of a session, and its end
//
// auth.ParseRules reads the first three from text, too. An operation that no rule names is denied
// with 403. When several templates match a URI, the rule of each must be met, whichever the server
// picks.
//
// # What is authorized is what runs
//
// The token is verified by the header alone. The rule that Mcp-Method and Mcp-Name name is asked
// then, too. Only after that are at most 4 MiB of the body read. The body must be one JSON object.
// A batch is refused with 400. So is a member that stands twice, and "Name" or "METHOD" in place of
// "name" and "method": parsers differ in which one they take. So are Mcp-Method and Mcp-Name that
// stand twice or differ from the body. [Enforce] then compares what was authorized with what the
// server is about to run, and refuses what differs.
//
// # What tools see
//
// [PrincipalFrom] gives the caller of the very request. auth.PrincipalFrom finds nothing in a
// tool's context: with sessions, that context is the one of the request that began the session. The
// header that tools see has no Authorization, and none of the fields that the Guard's Bindings
// read. No token is passed on by mistake.
//
// # Challenges
//
// A 401 names the scopes of the rule that Mcp-Method and Mcp-Name name, or Options.EntryScopes. A
// 403 for a missing scope names what the operation needs. It also names those scopes of the token
// that some rule asks for: clients ask for exactly what a challenge names, and would lose them. The
// body is an error of JSON-RPC, since the SDK's client ends its session over any other. Its data is
// the problem document (RFC 9457). GuardOptions.WriteRefusal is not used.
//
// # Streams
//
// An answer that streams ends with its token, and so does the standing stream of a session. Each
// request that goes on is authorized again about every minute, by the rules as they are then. It
// ends when it is refused (package openstream). Where no decision is possible it goes on for five
// minutes, and is asked again meanwhile. The client asks again with a new token. A tool that runs
// on is not stopped; what it answers is lost. Where nothing was answered yet, the answer is 504: a
// 401 would make clients call the tool twice.
//
// A session belongs to the issuer and subject, or client, of the token that began it. A token that
// names neither has a session of its own, which no other token continues.
//
// # Origin
//
// A request with an Origin that Options.Origins does not name is refused with 403, as the protocol
// demands, against DNS rebinding. Clients that are no browsers send none.
//
// # Decisions
//
// Hooks are told of two decisions for each message. The first is about the token, and its operation
// is "POST". The second is by the rule, and its operation is the rule's key. Bodies that are
// refused with 400 are logged (Options.Logger). Everything is safe for concurrent use once
// constructed. Each request is served by a goroutine of its own, which ends with its tool. Another
// one rechecks it, and ends with the answer.
package mcpauth
