package redisauth

import (
	"context"
	"crypto/fips140"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

const (
	defaultPrefix         = "bw:"
	defaultMaxRevocations = 1 << 16
	lookEvery             = 30 * time.Second
	retryEvery            = time.Second // how often a server that cannot be used is looked at
	lookTimeout           = time.Second
	dialTimeout           = time.Second
	// maxQuestions bounds what waits for Redis at once. The client's queue of a connection has
	// 1,024 places, and a question that finds none would not end with its context.
	maxQuestions = 900
)

// Options adjust a Store. The zero value, and nil, mean the defaults.
type Options struct {
	// Prefix begins the name of every key: "bw:" by default, at most 64 bytes. APIs that share a
	// Redis have different ones. The replicas of one API have the same.
	Prefix string
	// AllowLossOnRestart accepts proofs at once after Redis was restarted, replaced or emptied.
	// Proofs that Redis has forgotten may then be accepted once more. Default false: requests with
	// a proof are answered with 503 until the longest ttl that a Store was asked for has passed.
	AllowLossOnRestart bool
	// MaxRevocations bounds the entries that this process keeps to write them again after Redis
	// lost them: those of its own calls of Revoke. Default 65,536; an entry takes about 200 bytes.
	MaxRevocations int
	// Logger is told when the server was replaced or lost its data, and when it cannot be used.
	// Default slog.Default().
	Logger *slog.Logger
}

// A Store keeps used proofs and revoked tokens in Redis. It is safe for concurrent use. It holds
// one connection and a goroutine, which Close ends. Make it with [New].
type Store struct {
	option    rueidis.ClientOption
	dialInner func(context.Context, string, *net.Dialer, *tls.Config) (net.Conn, error)
	prefix    string
	allowLoss bool
	log       *slog.Logger
	slots     chan struct{} // one of each question that waits for Redis

	dials   atomic.Int64           // connections made
	found   atomic.Pointer[server] // by the last look
	known   atomic.Pointer[server] // the last one that could be used
	longest atomic.Int64           // ttl of a proof that this Store was asked for, in nanoseconds

	wake    chan struct{}
	stop    chan struct{}
	stopped chan struct{}

	mu      sync.Mutex // guards what follows
	closed  bool
	client  rueidis.Client
	conns   map[net.Conn]bool
	looking *look
	revoked *ownEntries
}

// New returns a Store on the server of client. The Store makes the connection itself, when it is
// needed, and answers to one server: the only address of InitAddress, or the master of
// Sentinel.MasterSet. It sets what keeps a question from being asked twice, and uses one
// connection. opts may be nil. The error names the field that is invalid.
func New(client rueidis.ClientOption, opts *Options) (*Store, error) {
	if opts == nil {
		opts = new(Options)
	}
	sentinel := client.Sentinel.MasterSet != ""
	switch {
	case len(client.InitAddress) == 0:
		return nil, errors.New("redisauth: ClientOption.InitAddress is required")
	case len(client.InitAddress) > 1 && !sentinel:
		return nil, errors.New("redisauth: ClientOption.InitAddress has several servers: a cluster is not supported, and a Sentinel needs Sentinel.MasterSet")
	case client.SendToReplicas != nil || client.ReplicaOnly || len(client.Standalone.ReplicaAddress) > 0:
		return nil, errors.New("redisauth: ClientOption sends to replicas, which do not know the last writes")
	case len(opts.Prefix) > 64:
		return nil, errors.New("redisauth: Options.Prefix is longer than 64 bytes")
	case opts.MaxRevocations < 0:
		return nil, errors.New("redisauth: Options.MaxRevocations is negative")
	}
	s := &Store{
		option: client, prefix: opts.Prefix, allowLoss: opts.AllowLossOnRestart, log: opts.Logger,
		slots: make(chan struct{}, maxQuestions), conns: make(map[net.Conn]bool),
		wake: make(chan struct{}, 1), stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	if s.prefix == "" {
		s.prefix = defaultPrefix
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	s.revoked = newOwnEntries(opts.MaxRevocations)
	s.adjust(!sentinel)
	go s.watch()
	return s, nil
}

// adjust sets what a Store needs of its client.
func (s *Store) adjust(single bool) {
	o := &s.option
	s.dialInner = o.DialCtxFn
	if s.dialInner == nil {
		s.dialInner = dialPlain
	}
	o.DialFn, o.DialCtxFn = nil, s.dial
	o.DisableRetry = true // a lost answer may be of a proof that was counted
	o.DisableCache = true
	o.ForceSingleClient = single
	o.PipelineMultiplex = -1 // one connection, so that a look and an answer are of the same server
	o.DisableAutoPipelining = false
	if o.Dialer.Timeout == 0 {
		o.Dialer.Timeout = dialTimeout
	}
	if o.ConnWriteTimeout == 0 {
		o.ConnWriteTimeout = lookTimeout
	}
	o.RingScaleEachConn = 10
}

func dialPlain(ctx context.Context, addr string, d *net.Dialer, config *tls.Config) (net.Conn, error) {
	if config != nil {
		return (&tls.Dialer{NetDialer: d, Config: config}).DialContext(ctx, "tcp", addr)
	}
	return d.DialContext(ctx, "tcp", addr)
}

const errClosed = fault("the Store is closed")

// A fault is what an operator is told: a text that is made of the configuration, and holds nothing
// of a request.
type fault string

func (f fault) Error() string { return "redisauth: " + string(f) }

// Detail is what auth.LogRefusals tells.
func (f fault) Detail() string { return string(f) }

// A connection tells its Store when it is closed.
type connection struct {
	net.Conn
	store *Store
}

func (c *connection) Close() error {
	c.store.mu.Lock()
	delete(c.store.conns, c)
	c.store.mu.Unlock()
	c.store.wakeUp()
	return c.Conn.Close()
}

// dial counts connections: what was found of the server holds for the last one alone.
func (s *Store) dial(ctx context.Context, addr string, d *net.Dialer, config *tls.Config) (net.Conn, error) {
	inner, err := s.dialInner(ctx, addr, d, config)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = inner.Close()
		return nil, errClosed
	}
	c := &connection{inner, s}
	s.conns[c] = true
	s.dials.Add(1)
	return c, nil
}

// hangUp closes every connection: what waits for an answer ends.
func (s *Store) hangUp() {
	s.mu.Lock()
	var all []net.Conn
	for c := range s.conns {
		all = append(all, c)
	}
	s.mu.Unlock()
	for _, c := range all {
		_ = c.Close()
	}
}

func (s *Store) wakeUp() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// connect returns the client, and makes it at the first call that reaches Redis.
func (s *Store) connect() (rueidis.Client, error) {
	s.mu.Lock()
	client, closed := s.client, s.closed
	s.mu.Unlock()
	switch {
	case closed:
		return nil, errClosed
	case client != nil:
		return client, nil
	}
	client, err := rueidis.NewClient(s.option)
	if err != nil {
		if client != nil {
			client.Close()
		}
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.client = client
	return client, nil
}

// newScript returns a script, which Redis names by its SHA-1. Where FIPS 140-3 is enforced, that
// cannot be computed, and Redis gets the whole text each time.
func newScript(text string) *rueidis.Lua {
	if fips140.Enforced() { // check: fips
		return rueidis.NewLuaScriptNoSha(text)
	}
	return rueidis.NewLuaScript(text)
}

var errBusy = fault(fmt.Sprintf("%d questions wait for Redis", maxQuestions))

// ask puts a question to Redis, and stops to wait when ctx ends. It is put once: the client sends
// no write again.
func (s *Store) ask(ctx context.Context, question func(context.Context, rueidis.Client) rueidis.RedisResult) (rueidis.RedisResult, error) {
	client, err := s.connectedClient()
	if err != nil {
		return rueidis.RedisResult{}, err
	}
	select {
	case s.slots <- struct{}{}:
	default:
		if err := s.waitForSlot(ctx); err != nil {
			return rueidis.RedisResult{}, err
		}
	}
	answer := make(chan rueidis.RedisResult, 1)
	go func() {
		// Not under ctx: a question that is given up keeps its place until the connection answers.
		defer func() { <-s.slots }()
		answer <- question(context.Background(), client)
	}()
	select {
	case r := <-answer:
		return r, r.Error()
	case <-ctx.Done():
		s.wakeUp()
		return rueidis.RedisResult{}, fmt.Errorf("redisauth: Redis has not answered: %w", ctx.Err())
	}
}

// waitForSlot waits until fewer than maxQuestions are put.
func (s *Store) waitForSlot(ctx context.Context) error {
	select {
	case s.slots <- struct{}{}:
		return nil
	case <-s.stop:
		return errClosed
	case <-ctx.Done():
		s.wakeUp()
		return fmt.Errorf("%w: %w", errBusy, ctx.Err())
	}
}

// connectedClient returns the client that a look has made.
func (s *Store) connectedClient() (rueidis.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return nil, errClosed
	case s.client == nil:
		return nil, fault("not connected to Redis")
	}
	return s.client, nil
}

// Close ends the connection and waits until the Store's goroutines have ended. What waits for an
// answer gets an error, and so does every later call. It returns nil.
func (s *Store) Close() error {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	client := s.client
	s.mu.Unlock()
	if first {
		close(s.stop)
		s.hangUp()
		if client != nil {
			client.Close()
		}
		for range maxQuestions { // each place is free when its question has ended
			s.slots <- struct{}{}
		}
	}
	<-s.stopped
	return nil
}
