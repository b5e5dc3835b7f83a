package ginauth

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/gin-gonic/gin"

	auth "github.com/bearward/bearward/middleware"
)

// Check returns an error that names every registered route that was not added through a [Router]:
// nothing is known to guard it. Call it after the routes are registered and before the server
// serves. gin tells the last handler of a route alone, so a guard among its middlewares is not
// seen. Handlers of NoRoute and NoMethod are no routes.
func Check(engine *gin.Engine) error {
	if engine == nil {
		return errors.New("ginauth: Check needs an Engine")
	}
	var errs []error
	all := engine.Routes()
	slices.SortFunc(all, func(a, b gin.RouteInfo) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Method, b.Method))
	})
	for _, route := range all {
		if reflect.ValueOf(route.HandlerFunc).Pointer() != endpointFunc { // check: check-uncovered
			errs = append(errs, fmt.Errorf("ginauth: no guard covers %s %s", route.Method, route.Path))
		}
	}
	return errors.Join(errs...)
}

// endpointFunc is the function of every endpoint of a Router.
var endpointFunc = reflect.ValueOf(endpoint(nil, "", auth.Requirement{}, nil)).Pointer()
