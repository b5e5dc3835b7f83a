package doctor

import (
	"net/http"
	"slices"
)

// mcp looks at what clients of the Model Context Protocol need of an issuer (its authorization
// chapter, version 2025-11-25). That tokens are issued for the resource asked for (RFC 8707) has no
// metadata: only a token shows it.
func (v *visit) mcp() {
	f := v.mcpForm()
	if f == nil {
		if v.answered() && v.report.Count(Open) == 0 {
			v.find("MCP_METADATA_NOT_FOUND", v.name, "No metadata of this issuer at the URLs that such clients ask: %s answers %s.", v.forms[0].url, v.forms[0].outcome())
		}
		return
	}
	for _, name := range []string{"authorization_endpoint", "token_endpoint"} {
		if f.text(name) == "" {
			v.find("MCP_NO_ENDPOINTS", f.url, "It names no %s.", name)
		}
	}
	types, ok := f.texts("response_types_supported")
	if !ok || !slices.Contains(types, "code") {
		v.find("MCP_NO_CODE_FLOW", f.url, "Its response_types_supported lacks \"code\".")
	}
	if types, ok := f.texts("grant_types_supported"); ok && !slices.Contains(types, "authorization_code") {
		v.find("MCP_NO_CODE_FLOW", f.url, "Its grant_types_supported lacks \"authorization_code\".")
	}
	if methods, _ := f.texts("code_challenge_methods_supported"); !slices.Contains(methods, "S256") {
		v.find("MCP_NO_PKCE", f.url, "Its code_challenge_methods_supported lacks \"S256\".")
	}
	if f.text("registration_endpoint") == "" && string(f.members["client_id_metadata_document_supported"]) != "true" {
		v.find("MCP_NO_REGISTRATION", f.url, "It has neither a registration_endpoint nor client_id_metadata_document_supported.")
	}
	if methods, ok := f.texts("token_endpoint_auth_methods_supported"); ok && !slices.Contains(methods, "none") {
		v.find("MCP_NO_PUBLIC_CLIENTS", f.url, "Its token_endpoint_auth_methods_supported lacks \"none\".")
	}
}

// mcpForm returns the first document that such clients find. They ask three forms: RFC 8414 with
// the path inserted, and OpenID Connect with it inserted and appended.
func (v *visit) mcpForm() *form {
	for i := range v.forms[:min(len(v.forms), 3)] {
		f := &v.forms[i]
		if f.err == nil && f.Status == http.StatusOK && f.text("issuer") == v.name {
			return f
		}
	}
	return nil
}
