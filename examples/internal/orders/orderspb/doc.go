// Package orderspb is the generated code of the orders service. The command
// that generates it stands in orders.proto.
package orderspb
