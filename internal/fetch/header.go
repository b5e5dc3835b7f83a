package fetch

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// MaxAge reads Cache-Control (RFC 9111 §5.2.2): the max-age, 0 for no-store and no-cache, negative
// when it says nothing. A max-age that is no number says nothing.
func MaxAge(h http.Header) time.Duration {
	hint := time.Duration(-1)
	for _, line := range h.Values("Cache-Control") {
		for directive := range strings.SplitSeq(line, ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
			switch strings.ToLower(name) {
			case "no-store", "no-cache":
				return 0
			case "max-age":
				if age, ok := seconds(strings.Trim(value, `"`)); ok {
					hint = age
				}
			}
		}
	}
	return hint
}

// retryAfter reads Retry-After (RFC 9110 §10.2.3) of a 429 or 503; 0 when there is none.
func retryAfter(resp *http.Response) time.Duration {
	if resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode != http.StatusServiceUnavailable {
		return 0
	}
	value := resp.Header.Get("Retry-After")
	if wait, ok := seconds(value); ok {
		return wait
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

// seconds reads a number of seconds, at most a year so that it fits a Duration.
func seconds(s string) (time.Duration, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	const year = 365 * 24 * 60 * 60
	n, err := strconv.Atoi(s)
	if err != nil || n > year {
		n = year // digits only, so the error is that it is too large
	}
	return time.Duration(n) * time.Second, true
}
