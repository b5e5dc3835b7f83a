// Package orderspbconnect serves the Orders service by Connect: what protoc-gen-connect-go makes of
// orders.proto.
package orderspbconnect
