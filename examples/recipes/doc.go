// Package recipes holds the programs that recipes.md shows, each with tests that run the real
// parts: browsers, proxies and generated servers.
package recipes
