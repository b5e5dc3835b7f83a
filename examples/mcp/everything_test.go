package main

//lint:file-ignore SA1019 the suite asks for sampling and log messages, which protocol 2026-07-28 deprecates.

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"image"
	"image/png"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// wav is a sound without samples: 8,000 a second, of 8 bits.
var wav = []byte("RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x40\x1f\x00\x00\x01\x00\x08\x00data\x00\x00\x00\x00")

// pixel is a picture of one.
var pixel = func() []byte {
	var out bytes.Buffer
	if err := png.Encode(&out, image.NewGray(image.Rect(0, 0, 1, 1))); err != nil {
		panic(err)
	}
	return out.Bytes()
}()

func picture() mcp.Content { return &mcp.ImageContent{Data: pixel, MIMEType: "image/png"} }

func text(s string) mcp.Content { return &mcp.TextContent{Text: s} }

func embedded(uri string) mcp.Content {
	return &mcp.EmbeddedResource{Resource: &mcp.ResourceContents{URI: uri, MIMEType: "text/plain", Text: "an embedded resource"}}
}

// newEverything returns a server with what the scenarios of the public conformance runner ask for:
// its tools, resources and prompts have the names that the runner's descriptions give them.
func newEverything() *mcp.Server {
	server := mcp.NewServer(&mcp.Implementation{Name: "everything", Version: "1"}, &mcp.ServerOptions{
		CompletionHandler: func(context.Context, *mcp.CompleteRequest) (*mcp.CompleteResult, error) {
			return &mcp.CompleteResult{Completion: mcp.CompletionResultDetails{Values: []string{}}}, nil
		},
		SubscribeHandler:   func(context.Context, *mcp.SubscribeRequest) error { return nil },
		UnsubscribeHandler: func(context.Context, *mcp.UnsubscribeRequest) error { return nil },
	})
	addTools(server)
	addQuestions(server)
	addResources(server)
	addPrompts(server)
	return server
}

// addTool adds a tool that takes nothing and answers by do.
func addTool(server *mcp.Server, name string, do func(context.Context, *mcp.CallToolRequest) ([]mcp.Content, error)) {
	mcp.AddTool(server, &mcp.Tool{Name: name, Description: name}, func(ctx context.Context, req *mcp.CallToolRequest, _ any) (*mcp.CallToolResult, any, error) {
		content, err := do(ctx, req)
		return &mcp.CallToolResult{Content: content}, nil, err
	})
}

func addTools(server *mcp.Server) {
	for name, content := range map[string][]mcp.Content{
		"test_simple_text":            {text("This is a simple text response for testing.")},
		"test_image_content":          {picture()},
		"test_audio_content":          {&mcp.AudioContent{Data: wav, MIMEType: "audio/wav"}},
		"test_embedded_resource":      {embedded("test://embedded-resource")},
		"test_multiple_content_types": {text("several"), picture(), embedded("test://mixed-content-resource")},
	} {
		addTool(server, name, func(context.Context, *mcp.CallToolRequest) ([]mcp.Content, error) { return content, nil })
	}
	addTool(server, "test_error_handling", func(context.Context, *mcp.CallToolRequest) ([]mcp.Content, error) {
		return nil, errors.New("this tool intentionally returns an error for testing")
	})
	addTool(server, "test_tool_with_logging", func(ctx context.Context, req *mcp.CallToolRequest) ([]mcp.Content, error) {
		for _, what := range []string{"Tool execution started", "Tool processing data", "Tool execution completed"} {
			if err := req.Session.Log(ctx, &mcp.LoggingMessageParams{Level: "info", Data: what}); err != nil {
				return nil, err
			}
		}
		return []mcp.Content{text("logged")}, nil
	})
	addTool(server, "test_tool_with_progress", func(ctx context.Context, req *mcp.CallToolRequest) ([]mcp.Content, error) {
		for _, done := range []float64{0, 50, 100} {
			progress := &mcp.ProgressNotificationParams{ProgressToken: req.Params.GetProgressToken(), Progress: done, Total: 100}
			if err := req.Session.NotifyProgress(ctx, progress); err != nil {
				return nil, err
			}
		}
		return []mcp.Content{text("done")}, nil
	})
	// The client reads the answer on a second stream, behind the event that it read last.
	addTool(server, "test_reconnection", func(_ context.Context, req *mcp.CallToolRequest) ([]mcp.Content, error) {
		if req.Extra.CloseSSEStream != nil {
			req.Extra.CloseSSEStream(mcp.CloseSSEStreamArgs{})
		}
		return []mcp.Content{text("answered")}, nil
	})
	server.AddTool(&mcp.Tool{Name: "json_schema_2020_12_tool", Description: "has a schema of JSON Schema 2020-12", InputSchema: json.RawMessage(`{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "additionalProperties": false,
		"$defs": {"address": {"type": "object", "properties": {"street": {"type": "string"}, "city": {"type": "string"}}}},
		"properties": {"name": {"type": "string"}, "address": {"$ref": "#/$defs/address"}}}`),
	}, func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return &mcp.CallToolResult{Content: []mcp.Content{text("called")}}, nil
	})
}

// The forms that the tools ask the person to fill in.
var forms = map[string]string{
	"test_elicitation_sep1034_defaults": `{"type": "object", "properties": {
		"name": {"type": "string", "default": "John Doe"}, "age": {"type": "integer", "default": 30}, "score": {"type": "number", "default": 95.5},
		"status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"}, "verified": {"type": "boolean", "default": true}}}`,
	"test_elicitation_sep1330_enums": `{"type": "object", "properties": {
		"untitledSingle": {"type": "string", "enum": ["option1", "option2", "option3"]},
		"titledSingle": {"type": "string", "oneOf": [{"const": "value1", "title": "First Option"}, {"const": "value2", "title": "Second Option"}]},
		"legacyEnum": {"type": "string", "enum": ["opt1", "opt2"], "enumNames": ["Option One", "Option Two"]},
		"untitledMulti": {"type": "array", "items": {"type": "string", "enum": ["option1", "option2", "option3"]}},
		"titledMulti": {"type": "array", "items": {"anyOf": [{"const": "value1", "title": "First Choice"}, {"const": "value2", "title": "Second Choice"}]}}}}`,
}

// addQuestions adds the tools that ask the client while it waits for them.
func addQuestions(server *mcp.Server) {
	type prompted struct {
		Prompt string `json:"prompt"`
	}
	mcp.AddTool(server, &mcp.Tool{Name: "test_sampling", Description: "asks for a completion"}, func(ctx context.Context, req *mcp.CallToolRequest, in prompted) (*mcp.CallToolResult, any, error) {
		answer, err := req.Session.CreateMessage(ctx, &mcp.CreateMessageParams{
			Messages: []*mcp.SamplingMessage{{Role: "user", Content: text(in.Prompt)}}, MaxTokens: 100,
		})
		if err != nil {
			return nil, nil, err
		}
		return &mcp.CallToolResult{Content: []mcp.Content{answer.Content}}, nil, nil
	})
	ask := func(ctx context.Context, req *mcp.CallToolRequest, message, form string) ([]mcp.Content, error) {
		answer, err := req.Session.Elicit(ctx, &mcp.ElicitParams{Message: message, RequestedSchema: json.RawMessage(form)})
		if err != nil {
			return nil, err
		}
		return []mcp.Content{text(answer.Action)}, nil
	}
	type told struct {
		Message string `json:"message"`
	}
	mcp.AddTool(server, &mcp.Tool{Name: "test_elicitation", Description: "asks the person"}, func(ctx context.Context, req *mcp.CallToolRequest, in told) (*mcp.CallToolResult, any, error) {
		content, err := ask(ctx, req, in.Message, `{"type": "object", "required": ["username", "email"],
			"properties": {"username": {"type": "string"}, "email": {"type": "string"}}}`)
		return &mcp.CallToolResult{Content: content}, nil, err
	})
	for name, form := range forms {
		addTool(server, name, func(ctx context.Context, req *mcp.CallToolRequest) ([]mcp.Content, error) {
			return ask(ctx, req, "Fill in this form", form)
		})
	}
}

// The resources of newEverything, and its one template.
const (
	staticText, staticBinary, watched = "test://static-text", "test://static-binary", "test://watched-resource"
	template                          = "test://template/{id}/data"
)

func addResources(server *mcp.Server) {
	read := func(_ context.Context, req *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
		contents := &mcp.ResourceContents{URI: req.Params.URI, MIMEType: "text/plain", Text: "the text of " + req.Params.URI}
		if req.Params.URI == staticBinary {
			contents = &mcp.ResourceContents{URI: req.Params.URI, MIMEType: "image/png", Blob: pixel}
		}
		return &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{contents}}, nil
	}
	for _, uri := range []string{staticText, staticBinary, watched} {
		name := strings.TrimPrefix(uri, "test://")
		server.AddResource(&mcp.Resource{URI: uri, Name: name, Description: name}, read)
	}
	server.AddResourceTemplate(&mcp.ResourceTemplate{URITemplate: template, Name: "template"}, read)
}

func addPrompts(server *mcp.Server) {
	add := func(name string, arguments []string, answer func(given map[string]string) []mcp.Content) {
		prompt := &mcp.Prompt{Name: name, Description: name}
		for _, argument := range arguments {
			prompt.Arguments = append(prompt.Arguments, &mcp.PromptArgument{Name: argument, Description: argument, Required: true})
		}
		server.AddPrompt(prompt, func(_ context.Context, req *mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
			var messages []*mcp.PromptMessage
			for _, content := range answer(req.Params.Arguments) {
				messages = append(messages, &mcp.PromptMessage{Role: "user", Content: content})
			}
			return &mcp.GetPromptResult{Messages: messages}, nil
		})
	}
	add("test_simple_prompt", nil, func(map[string]string) []mcp.Content {
		return []mcp.Content{text("This is a simple prompt for testing.")}
	})
	add("test_prompt_with_arguments", []string{"arg1", "arg2"}, func(given map[string]string) []mcp.Content {
		return []mcp.Content{text("arg1='" + given["arg1"] + "', arg2='" + given["arg2"] + "'")}
	})
	add("test_prompt_with_embedded_resource", []string{"resourceUri"}, func(given map[string]string) []mcp.Content {
		return []mcp.Content{embedded(given["resourceUri"]), text("Please process the embedded resource above.")}
	})
	add("test_prompt_with_image", nil, func(map[string]string) []mcp.Content {
		return []mcp.Content{picture(), text("Please analyze the image above.")}
	})
}
