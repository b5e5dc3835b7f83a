package grpcauth

import (
	"sync"
	"time"

	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	auth "github.com/bearward/bearward/middleware"
)

// readyEvery is how often a guard is asked whether it is ready. The question takes no I/O.
const readyEvery = time.Second

// FollowReady keeps the serving status of services in server as guard.Ready tells: SERVING or
// NOT_SERVING, within a second of a change. server is a *health.Server of
// google.golang.org/grpc/health. Without services it is the status of the server as a whole, "". It
// sets the status before it returns, and then from a goroutine of its own, until stop is called.
// The function stop waits for that goroutine, leaves the status as it is, and may be called twice.
// Call it before health.Server.Shutdown, whose status it would otherwise be asked to overwrite.
//
// It panics when guard or server is nil.
func FollowReady(guard *auth.Guard, server interface {
	SetServingStatus(service string, status healthpb.HealthCheckResponse_ServingStatus)
}, services ...string) (stop func()) {
	if guard == nil || server == nil {
		panic("grpcauth: FollowReady needs a Guard and a health server")
	}
	if len(services) == 0 {
		services = []string{""}
	}
	last := healthpb.HealthCheckResponse_UNKNOWN
	follow := func() {
		status := healthpb.HealthCheckResponse_NOT_SERVING
		if guard.Ready() == nil { // check: not-ready
			status = healthpb.HealthCheckResponse_SERVING
		}
		if status == last {
			return
		}
		last = status
		for _, s := range services {
			server.SetServingStatus(s, status)
		}
	}
	follow()
	ended, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		ticks := time.NewTicker(readyEvery)
		defer ticks.Stop()
		for {
			select {
			case <-ticks.C:
				follow()
			case <-ended:
				return
			}
		}
	}()
	return sync.OnceFunc(func() {
		close(ended)
		<-stopped
	})
}
