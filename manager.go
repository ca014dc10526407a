package beaker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
)

// Manager gives requests their sessions. It is made by [New], is safe for concurrent
// use, and must not be copied. One manager stands for one cookie.
type Manager struct {
	cfg    Config
	store  Store
	hash   hasher
	attrs  CookieAttributes
	limits Limits
	secure style
	plain  *style // for Cookie.InsecureHosts

	sealed  bool
	revoked revocations // of sealed sessions

	lister  Lister
	purger  Purger
	revoker SubjectRevoker
	watcher Watcher

	updates keyedLocks
	quiet   bool        // the observer is the default one, which tells warnings only
	warned  atomic.Bool // of warnUndeliverable
	nested  atomic.Bool // of checkOuter
	astray  atomic.Bool // Get tells of a missing middleware
	// badValues are those that the observer is being told of.
	badValues sync.Map

	running context.Context // until Close
	stop    context.CancelFunc
	janitor sync.WaitGroup
	watches watches
}

// New returns a manager, or an error that names every mistake in the configuration
// and what to do about it; see [ConfigError]. If the store needs a janitor, it starts
// one: call Close at the end.
func New(cfg Config) (*Manager, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	m := &Manager{
		cfg: cfg, store: cfg.Store, hash: newHasher(cfg.App), attrs: cfg.Cookie.attributes(),
		limits: Limits{MaxBytes: cfg.MaxBytes, MaxKeys: cfg.MaxKeys},
		sealed: cfg.Sealed != nil,
	}
	_, m.quiet = cfg.Observer.(warnings)
	m.secure = m.newStyle(cfg.Cookie.Name, true)
	if len(cfg.Cookie.InsecureHosts) > 0 {
		name := cfg.Cookie.Name[len(cookiePrefix(cfg.Cookie.Name)):]
		plain := m.newStyle(name, false)
		m.plain = &plain
	}
	m.lister, _ = cfg.Store.(Lister)
	m.purger, _ = cfg.Store.(Purger)
	m.revoker, _ = cfg.Store.(SubjectRevoker)
	m.watcher, _ = cfg.Store.(Watcher)
	m.revoked.m = m
	if m.sealed {
		m.revoked.store = cfg.Sealed.Revoker
		m.purger, _ = cfg.Sealed.Revoker.(Purger)
	}
	m.running, m.stop = context.WithCancel(context.Background())
	m.watches.closed = m.running.Done()
	if m.purger != nil && cfg.PurgeInterval > 0 {
		m.janitor.Go(func() { m.purgeForever(m.running) })
	}
	return m, nil
}

func (m *Manager) newStyle(name string, secure bool) style {
	st := style{name: name, secure: secure, tokens: newTokens(m.cfg.Secrets, m.cfg.App, name)}
	if m.sealed {
		st.sealer = newSealer(m.cfg.Secrets, m.cfg.Sealed.SignOnly, m.cfg.App, name)
	}
	return st
}

// Close ends what the manager runs in the background, the contexts of Session.Watch
// among it, and waits for it. It may be called more than once. Requests are still
// served; the store is not closed, because the manager did not open it.
func (m *Manager) Close() error {
	m.stop()
	m.janitor.Wait()
	m.watches.wait()
	return nil
}

func (m *Manager) now() Millis { return Millis(m.cfg.Now().UnixMilli()) }

func (m *Manager) observe(ctx context.Context, e Event) {
	e.Cookie = m.cfg.Cookie.Name
	if e.Name == EventBadValue {
		// An observer may read the session, and so come upon the same value again.
		type value struct {
			of   Handle
			name string
		}
		v := value{e.Handle, e.Detail}
		if _, telling := m.badValues.LoadOrStore(v, nil); telling {
			return
		}
		defer m.badValues.Delete(v)
	}
	m.cfg.Observer.Observe(ctx, e)
}

// StatusOf returns the HTTP status that fits an error of this package: 409 for
// [ErrEnded], 404 for [ErrNotFound], 403 for [ErrSignInAgain], 500 for a programmer's
// mistake or a session that is too large, 503 for what a store can have, and so for all
// errors that it does not know.
func StatusOf(err error) int {
	var enc *EncodeError
	var dec *DecodeError
	var cfg *ConfigError
	switch {
	case errors.Is(err, ErrEnded), errors.Is(err, ErrRevoked):
		return http.StatusConflict
	case errors.Is(err, ErrNotFound):
		return http.StatusNotFound
	case errors.Is(err, ErrSignInAgain):
		return http.StatusForbidden
	case errors.As(err, &enc), errors.As(err, &dec), errors.As(err, &cfg), errors.Is(err, ErrTooLarge), errors.Is(err, ErrNoMiddleware), errors.Is(err, ErrNoValue), errors.Is(err, ErrCommitted),
		errors.Is(err, ErrDestroyed), errors.Is(err, ErrInvalidName), errors.Is(err, ErrInvalidSubject), errors.Is(err, ErrInUpdate), errors.Is(err, ErrInvalidTimeout),
		errors.Is(err, ErrCookieUndeliverable), errors.Is(err, ErrCorrupt), errors.Is(err, errDetached),
		errors.Is(err, ErrNotRevocable), errors.Is(err, errors.ErrUnsupported):
		return http.StatusInternalServerError
	}
	return http.StatusServiceUnavailable
}

// Error answers a request whose session could not be loaded or changed, in the way
// that Config.ErrorHandler says. The error's text is not shown to the client.
// An error that is the application's own mistake is an [EventMisuse], since the client's
// answer does not tell the programmer.
//
// An ErrorHandler may call it for what it does not want to answer itself: within it, with
// the request that it was given, Error is the default answer.
func (m *Manager) Error(w http.ResponseWriter, r *http.Request, err error) {
	if !errors.Is(err, ErrNoMiddleware) && !m.answering(r) { // Get has told, or we have
		m.misused(r.Context(), Handle{}, err)
	}
	if rq := m.request(r.Context()); rq != nil {
		if s := rq.loaded(); s != nil {
			s.mu.Lock()
			s.seen()
			s.mu.Unlock()
		}
	}
	m.answer(w, r, err)
}

// misused tells the programmer what the client is not told.
func (m *Manager) misused(ctx context.Context, h Handle, err error) {
	if StatusOf(err) == http.StatusInternalServerError && !errors.Is(err, ErrCorrupt) { // that is an event of its own
		m.observe(ctx, Event{Name: EventMisuse, Handle: h, Err: err})
	}
}

// answeringKey is in the context of a request that the ErrorHandler is answering.
type answeringKey struct{ m *Manager }

func (m *Manager) answering(r *http.Request) bool { return r.Context().Value(answeringKey{m}) != nil }

func (m *Manager) answer(w http.ResponseWriter, r *http.Request, err error) {
	if m.cfg.ErrorHandler != nil && !m.answering(r) {
		m.cfg.ErrorHandler(w, r.WithContext(context.WithValue(r.Context(), answeringKey{m}, true)), err)
		return
	}
	status := StatusOf(err)
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	noStore(h)
	if status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "5")
	}
	w.WriteHeader(status)
	text := http.StatusText(status)
	if status == http.StatusConflict {
		text = "The session ended while this request was under way. Nothing was saved."
	}
	_, _ = io.WriteString(w, text+"\n") // the client may be gone; there is nobody to tell
}

// warnUndeliverable says once, in words, why signing in "does not work" over plain
// HTTP: the browser drops the cookie without a word.
func (s *Session) warnUndeliverable(rq *request, st *style) {
	m, r := s.m, rq.r
	if !st.secure || r.TLS != nil || m.warned.Load() {
		return
	}
	if strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https") ||
		strings.Contains(strings.ToLower(r.Header.Get("Forwarded")), "proto=https") {
		return
	}
	host := hostOf(r.Host)
	if isLoopback(host) && !isSafari(r.UserAgent()) {
		return
	}
	if m.warned.CompareAndSwap(false, true) {
		s.observe((*ownContext)(rq), Event{Name: EventCookie, Detail: fmt.Sprintf(
			"a Secure cookie was sent over plain HTTP to %.100q, and the browser will not send it back: serve HTTPS, or, for development only, name the host in Config.Cookie.InsecureHosts (nothing is wrong if a proxy in front of this server speaks HTTPS; let it set X-Forwarded-Proto)", host)})
	}
}

// checkOuter tells, once, of a manager around this one whose cookie has the same name:
// each takes the other's for its own, and of two cookies only one gets out.
func (rq *request) checkOuter(s *Session) {
	for outer := rq.outer(); outer != nil; outer = outer.outer() {
		if outer.m != rq.m && outer.m.cfg.Cookie.Name == rq.m.cfg.Cookie.Name && rq.m.nested.CompareAndSwap(false, true) {
			s.observe((*ownContext)(rq), Event{Name: EventMisuse, Err: errSameCookie})
		}
	}
}

var errSameCookie = errors.New("beaker: a manager around this one has the same cookie: give each a Config.Cookie.Name of its own")

func isLoopback(host string) bool {
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || host == "::1" || strings.HasPrefix(host, "127.") && isIP(host)
}

func isSafari(agent string) bool {
	return strings.Contains(agent, "Safari/") && !strings.Contains(agent, "Chrome/") && !strings.Contains(agent, "Chromium/")
}

func (m *Manager) text() string { return fmt.Sprintf("beaker.Manager(%s)", m.cfg.Cookie.Name) }

// Format prints the cookie's name only.
func (m *Manager) Format(f fmt.State, _ rune) { redacted(f, m.text()) }

// LogValue prints the cookie's name only.
func (m *Manager) LogValue() slog.Value { return slog.StringValue(m.text()) }

// MarshalText prints the cookie's name only.
func (m *Manager) MarshalText() ([]byte, error) { return []byte(m.text()), nil }
