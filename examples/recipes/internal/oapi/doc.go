// Package oapi is generated from openapi.yaml by oapi-codegen v2.8.2, in this folder:
//
//	oapi-codegen -generate types,std-http,strict-server -package oapi -o oapi.gen.go ../openapi.yaml
package oapi
