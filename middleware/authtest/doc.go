// Package authtest is a kit for testing APIs that Bearward guards: an issuer inside the test that signs good tokens and bad ones of
// every kind, rotates and withdraws its keys, fails, hangs and answers garbage.
//
// It needs no network, and works inside testing/synctest bubbles. It is for tests alone: its RSA keys are published with this
// module.
package authtest
