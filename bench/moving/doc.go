// Package moving shows how an API moves to Bearward from other middlewares: for each the code
// before and after, compiled, and asked the same requests. README.md shows the code, and says what
// changes for callers.
package moving
