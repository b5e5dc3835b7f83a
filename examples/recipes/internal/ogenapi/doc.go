// Package ogenapi is generated from openapi.yaml by ogen v1.25.0, in this folder:
//
//	ogen -config ogen.yml -package ogenapi -target . ../openapi.yaml
package ogenapi
