package provider

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	auth "github.com/bearward/bearward/middleware"
)

// The variables that FromEnv reads.
const (
	envPrefix   = "BEARWARD_"
	envIssuer   = "BEARWARD_ISSUER"
	envAudience = "BEARWARD_AUDIENCE"
	envPreset   = "BEARWARD_PRESET"
	envCallers  = "BEARWARD_CALLERS"
	envKeySet   = "BEARWARD_KEY_SET_URL"
)

var envNames = []string{envIssuer, envAudience, envPreset, envCallers, envKeySet}

// withoutAudience are the presets whose tokens name no API.
var withoutAudience = []string{"clerk", "firebase", "supabase"}

// FromEnv returns a Guard for the issuer that the environment names, with a key cache of its own,
// which its Close stops. Opts may be nil.
//
//   - BEARWARD_ISSUER is the issuer's URL. Required.
//   - BEARWARD_AUDIENCE are the API's names, with commas between. Required, but for clerk, firebase
//     and supabase.
//   - BEARWARD_PRESET is one of [Names]. Default: tokens of RFC 9068.
//   - BEARWARD_CALLERS are those who may call, with commas between, for the presets that ask for
//     them: see [Named].
//   - BEARWARD_KEY_SET_URL is where the keys are, if the API reaches them elsewhere than the
//     issuer's metadata says.
//
// An environment that is not understood makes no Guard. The error names each variable that is
// missing or empty, and each of the prefix BEARWARD_ that is none of these. FromEnv reads the
// environment once, and does no other I/O but that of [Kubernetes].
func FromEnv(opts *auth.GuardOptions) (*auth.Guard, error) {
	p, err := presetFromEnv(os.Environ())
	if err != nil {
		return nil, err
	}
	return p.Guard(opts)
}

// presetFromEnv reads an environment, of NAME=value.
func presetFromEnv(environ []string) (Preset, error) {
	env, err := readEnv(environ)
	if err != nil {
		return Preset{}, err
	}
	audience, audienceErr := env.list(envAudience)
	callers, callersErr := env.list(envCallers)
	if err := errors.Join(audienceErr, callersErr); err != nil {
		return Preset{}, err
	}
	name, preset := env[envPreset]
	p := Preset{Config: auth.Config{Issuer: env[envIssuer], Audiences: audience}}
	if preset {
		if !slices.Contains(Names(), name) {
			return Preset{}, fmt.Errorf("provider: %s %q is none of %s", envPreset, name, strings.Join(Names(), ", "))
		}
		if p, err = namedFor(name, env[envIssuer], audience, callers); err != nil {
			return Preset{}, fmt.Errorf("provider: %s is %s, made of %s, %s and %s: %w", envPreset, name, envIssuer, envAudience, envCallers, err)
		}
	} else if len(callers) > 0 { // check: env-callers
		return Preset{}, fmt.Errorf("provider: %s needs %s: rules say who may call", envCallers, envPreset)
	}
	if url, ok := env[envKeySet]; ok {
		p.KeySetURL = url
	}
	return p, nil
}

// An environment has the variables of FromEnv that are set.
type environment map[string]string

// readEnv returns the variables of FromEnv, or all that is wrong with their names.
func readEnv(environ []string) (environment, error) {
	env := environment{}
	var faults []error
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		switch {
		case !strings.HasPrefix(name, envPrefix):
		case !slices.Contains(envNames, name): // check: env-unknown
			hint := ""
			if strings.HasSuffix(name, "_SERVICE_HOST") || strings.Contains(name, "_PORT") {
				hint = ": a Kubernetes Service of that name sets it, unless the pod has enableServiceLinks: false"
			}
			faults = append(faults, fmt.Errorf("provider: %s is none of %s%s", name, strings.Join(envNames, ", "), hint))
		case strings.TrimSpace(value) == "": // check: env-empty
			faults = append(faults, fmt.Errorf("provider: %s is set, and empty", name))
		default:
			env[name] = strings.TrimSpace(value)
		}
	}
	slices.SortFunc(faults, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	if len(faults) == 0 {
		for _, name := range []string{envIssuer, envAudience} {
			if env[name] == "" && (name == envIssuer || !slices.Contains(withoutAudience, env[envPreset])) {
				faults = append(faults, fmt.Errorf("provider: %s is required", name))
			}
		}
	}
	return env, errors.Join(faults...)
}

// list returns the parts of a variable between commas.
func (env environment) list(name string) ([]string, error) {
	text, ok := env[name]
	if !ok {
		return nil, nil
	}
	parts := strings.Split(text, ",")
	for i, p := range parts {
		if parts[i] = strings.TrimSpace(p); parts[i] == "" { // check: env-list
			return nil, fmt.Errorf("provider: %s has an empty part: %q", name, text)
		}
	}
	return parts, nil
}
