package provider

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	auth "github.com/bearward/bearward/middleware"
)

// withCaller has c accept tokens alone whose claim is one of values. One value is fixed, so that a
// refusal names what is wanted.
func withCaller(c auth.Config, claim string, values []string) auth.Config {
	c.FixedClaims = map[string]string{} // to be added to
	if len(values) == 1 {
		c.FixedClaims[claim] = values[0]
		return c
	}
	c.Checks = append(c.Checks, oneOf(claim, values))
	return c
}

// oneOf checks that a claim is one of values.
func oneOf(claim string, values []string) func(*auth.Principal) error {
	values = slices.Clone(values)
	return auth.CheckClaims(func(claims *map[string]any) error {
		if got, ok := (*claims)[claim].(string); !ok || !slices.Contains(values, got) { // check: caller
			return refusal(claim + " is none of those that may call")
		}
		return nil
	})
}

// A refusal is why a check of a preset refuses a token: a text that holds nothing of the token.
type refusal string

func (r refusal) Error() string { return string(r) }

// Detail has operators told of it (auth.Error.Detail).
func (r refusal) Detail() string { return string(r) }

// calledBy has p check its callers whatever becomes of Config, whose FixedClaims and Checks may be
// replaced by those who want to ask for more: the issuer serves everybody.
func (p Preset) calledBy(check func(*auth.Principal) error) Preset {
	p.callers = check
	return p
}

// config is Config with what does not depend on it.
func (p Preset) config() auth.Config {
	c := p.Config
	if p.callers != nil {
		c.Checks = append(slices.Clone(c.Checks), p.callers) // check: callers-kept
	}
	return c
}

// ids checks IDs, which are numbers: a name can be given to somebody else.
func ids(name string, values []string) error {
	if err := given(name, values); err != nil {
		return err
	}
	for _, v := range values {
		if !isNumber(v) { // check: id-number
			return fmt.Errorf("provider: %s %q is not a number: give the ID, since a name can be somebody else's tomorrow", name, v)
		}
	}
	return nil
}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// origins checks the origins of front ends (RFC 6454 §6.2).
func origins(values []string) error {
	if err := given("origin", values); err != nil {
		return err
	}
	for _, v := range values {
		u, err := url.Parse(v)
		if err != nil || u.Scheme+"://"+u.Host != v || u.Host == "" || strings.Contains(v, "*") { // check: origin
			return fmt.Errorf("provider: origin %q is not one: write it as browsers do, such as https://shop.example", v)
		}
	}
	return nil
}

// httpsURL checks an issuer that is a URL.
func httpsURL(name, s string) error {
	if u, err := url.Parse(s); err != nil || u.Scheme != "https" || u.Host == "" { // check: issuer-https
		return fmt.Errorf("provider: %s %q is not an https URL", name, s)
	}
	return nil
}

// noneWith returns an error that says why when one of values is as bad says.
func noneWith(values []string, bad func(string) bool, why string) error {
	if i := slices.IndexFunc(values, bad); i >= 0 {
		return errors.New("provider: " + fmt.Sprintf("audience %q ", values[i]) + why)
	}
	return nil
}
