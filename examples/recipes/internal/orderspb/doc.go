// Package orderspb is generated from orders.proto.
package orderspb
