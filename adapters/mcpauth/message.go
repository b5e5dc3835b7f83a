package mcpauth

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// A fault is what is wrong with a message, in a constant text for its sender and the log.
type fault string

const (
	faultOrigin  fault = "the request comes from a web origin that is not allowed"
	faultUnread  fault = "the body cannot be read, or is longer than 4 MiB"
	faultExpired fault = "the access token expired before the answer"
	// faultWithdrawn tells of a recheck.
	faultWithdrawn fault = "the request was not authorized any more before the answer"
	faultSyntax    fault = "the body is not one JSON object, each of its members once, in UTF-8"
	faultBatch     fault = "the body is a batch of messages"
	faultCase      fault = "the body has a member whose name differs from one of the protocol in case alone"
	faultMethod    fault = "method is not a string with a method's name"
	faultAnswer    fault = "the body is both a request and a response, or neither"
	faultName      fault = "the request does not name its tool, prompt or resource in a string"
	faultHeaders   fault = "Mcp-Method or Mcp-Name stands twice"
	faultDiffers   fault = "Mcp-Method or Mcp-Name differs from the body"
)

// The members that decide what a message asks for, and those that go with them.
var (
	messageMembers = []string{"jsonrpc", "id", "method", "params", "result", "error"}
	paramsMembers  = []string{"name", "uri", "arguments", "_meta"}
)

// parse reads a message strictly: every parser must find the same operation in it. Also with a
// fault, it returns the message's ID as JSON, nil when none was found.
func parse(body []byte) (op operation, id []byte, f fault) {
	var m message
	op, f = m.parse(body)
	return op, m.id, f
}

func (m *message) parse(body []byte) (operation, fault) {
	d := jsontext.NewDecoder(bytes.NewReader(body))
	// check: duplicates
	if d.PeekKind() == '[' { // check: batch
		return operation{}, faultBatch
	}
	if f := m.read(d); f != "" {
		return operation{}, f
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) { // check: trailing
		return operation{}, faultSyntax
	}
	return m.operation()
}

// maxID is the longest ID of a message that an answer repeats, in bytes.
const maxID = 256

// A message has what parse takes from one.
type message struct {
	method, name, uri    string // "" when absent, and when not a string
	hasMethod, hasAnswer bool
	id                   []byte // as JSON; nil when absent, null, or longer than maxID
}

func (m *message) read(d *jsontext.Decoder) fault {
	return members(d, messageMembers, func(name string) (f fault, err error) {
		switch name {
		case "id":
			value, err := d.ReadValue()
			if kind := value.Kind(); (kind == '"' || kind == '0') && len(value) <= maxID {
				m.id = bytes.Clone(value)
			}
			return "", err
		case "method":
			m.hasMethod = true
			m.method, err = text(d)
			return "", err
		case "params":
			if d.PeekKind() != '{' {
				return "", d.SkipValue()
			}
			return members(d, paramsMembers, m.param(d)), nil
		case "result", "error":
			m.hasAnswer = true
		}
		return "", d.SkipValue()
	})
}

func (m *message) param(d *jsontext.Decoder) func(string) (fault, error) {
	return func(name string) (f fault, err error) {
		switch name {
		case "name":
			m.name, err = text(d)
		case "uri":
			m.uri, err = text(d)
		default:
			err = d.SkipValue()
		}
		return "", err
	}
}

// members reads an object, and calls each for every member, to read its value. The name of a member
// must not differ from a known one in case alone: encoding/json takes it for that one.
func members(d *jsontext.Decoder, known []string, each func(name string) (fault, error)) fault {
	if d.PeekKind() != '{' {
		return faultSyntax
	}
	if _, err := d.ReadToken(); err != nil {
		return faultSyntax
	}
	for d.PeekKind() != '}' {
		token, err := d.ReadToken()
		if err != nil {
			return faultSyntax
		}
		name := token.String()
		for _, k := range known {
			if name != k && strings.EqualFold(name, k) { // check: case
				return faultCase
			}
		}
		f, err := each(name)
		if err != nil {
			return faultSyntax
		}
		if f != "" {
			return f
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return faultSyntax
	}
	return ""
}

// text reads a string, and returns "" for another value.
func text(d *jsontext.Decoder) (string, error) {
	if d.PeekKind() != '"' {
		return "", d.SkipValue()
	}
	token, err := d.ReadToken()
	if err != nil {
		return "", err
	}
	return token.String(), nil
}

// operation tells what the message asks for.
func (m *message) operation() (operation, fault) {
	switch {
	case m.hasMethod == m.hasAnswer: // check: request-or-response
		return operation{}, faultAnswer
	case m.hasAnswer:
		return operation{}, ""
	case m.method == "": // check: empty-method
		return operation{}, faultMethod
	}
	op := operation{method: m.method}
	switch m.method {
	case callTool, getPrompt:
		op.name = m.name
	case readResource:
		op.name = m.uri
	}
	if isNamed(op.method) && op.name == "" { // check: empty-name
		return operation{}, faultName
	}
	return op, ""
}

// headerOperation returns the operation that the header names; ok is false when it names none.
func headerOperation(h http.Header) (op operation, ok bool, f fault) {
	methods, names := h["Mcp-Method"], h["Mcp-Name"]
	if len(methods) > 1 || len(names) > 1 { // check: headers-twice
		return operation{}, false, faultHeaders
	}
	if len(methods) == 0 {
		return operation{}, false, ""
	}
	op.method = methods[0]
	if isNamed(op.method) {
		if len(names) == 0 {
			return operation{}, false, ""
		}
		op.name = names[0]
	}
	return op, op.method != "", ""
}

// agree reports whether the header says what the body says, as far as it says anything. Mcp-Name of
// a method without a name of ours decides nothing, and may be what the sender's SDK makes of it.
func agree(h http.Header, op operation) bool {
	for _, method := range h["Mcp-Method"] {
		if method != op.method { // check: header-method
			return false
		}
	}
	for _, name := range h["Mcp-Name"] {
		if isNamed(op.method) && name != op.name { // check: header-name
			return false
		}
	}
	return true
}
