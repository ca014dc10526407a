package beaker

import (
	"context"
	"log/slog"
)

// EventName names what happened. The names are stable: dashboards and alerts may
// rely on them.
type EventName string

// The events.
const (
	EventCreate       EventName = "session.create"       // a record was created
	EventLoad         EventName = "session.load"         // a record was loaded for a request
	EventSave         EventName = "session.save"         // changes were applied
	EventTouch        EventName = "session.touch"        // only the time of use was written
	EventConflict     EventName = "session.conflict"     // Update met another writer and tries again
	EventRegenerate   EventName = "session.regenerate"   // the session got a new secret
	EventAuthenticate EventName = "session.authenticate" // the subject was set
	EventDestroy      EventName = "session.destroy"      // the session was ended by its own request
	EventRevoke       EventName = "session.revoke"       // a session was ended by handle or subject
	EventReject       EventName = "session.reject"       // a cookie was refused; see Event.Reason
	EventEnded        EventName = "session.ended"        // a change came too late: the session was gone
	EventCorrupt      EventName = "session.corrupt"      // a record does not decode
	EventBadValue     EventName = "session.bad_value"    // a value does not decode into the type asked for
	EventOldSecret    EventName = "session.old_secret"   // a cookie made with a secret that is being replaced; Detail is its id
	EventStaleProof   EventName = "session.stale_proof"  // a cookie that was replaced long ago: maybe stolen
	EventLate         EventName = "session.late"         // a change after the headers were sent was lost; Detail is the value's name
	EventMisuse       EventName = "session.misuse"       // the application made a mistake: Err says which; what depended on it was answered 500
	EventStoreError   EventName = "session.store_error"  // the store failed
	EventPurge        EventName = "session.purge"        // the janitor removed expired records
	EventCookie       EventName = "session.cookie"       // the browser will not send the cookie back
)

// Reason says why a cookie was refused. It is for operators; the client's answer is
// the same for each.
type Reason string

// The reasons.
const (
	ReasonMalformed     Reason = "malformed"      // not the length or the alphabet of a token
	ReasonVersion       Reason = "version"        // a token of another release
	ReasonUnknownSecret Reason = "unknown_secret" // made with a secret that is retired or was never ours
	ReasonForged        Reason = "forged"         // the signature does not match
	ReasonAmbiguous     Reason = "ambiguous"      // several cookies of the name, of sessions of which not exactly one lives
	ReasonUnknown       Reason = "unknown"        // genuine, but there is no such session any more
	ReasonExpired       Reason = "expired"        // the session's time is over
	ReasonReplaced      Reason = "replaced"       // the secret was replaced a moment ago
	ReasonStale         Reason = "stale"          // the secret was replaced long ago
	ReasonRevoked       Reason = "revoked"        // a sealed session that has ended
	ReasonUndecodable   Reason = "undecodable"    // a sealed session that is genuine and does not decode
	ReasonFuture        Reason = "future"         // a sealed session from a time that has not come
	ReasonIssuedBefore  Reason = "issued_before"  // Secrets.RejectIssuedBefore
)

// Event is one thing that happened. It never holds a cookie, a secret or a value.
type Event struct {
	Name    EventName
	Cookie  string // the name of the manager's cookie
	Handle  Handle // zero if there is no session
	Subject string // whose session; personal data in most applications
	Reason  Reason // why a cookie was refused
	Detail  string // in words, where the name does not say all
	Count   int    // how many sessions, for revocations and purges
	Err     error
}

// Observer is told what happens to sessions: for logs, metrics and audit trails. It
// is called in the request and by several goroutines at once, so it must be quick. It may
// get the session by ctx and read it. Events that belong together come in their order,
// right after what they tell of, and before the response begins.
//
// Not every event belongs to a request: the janitor and the watchers of Session.Watch tell
// of what they do on goroutines of their own, where ctx is no request's and a panic ends
// the process, as of any goroutine.
type Observer interface {
	Observe(ctx context.Context, e Event)
}

// ObserverFunc makes an Observer of a function.
type ObserverFunc func(ctx context.Context, e Event)

// Observe calls f.
func (f ObserverFunc) Observe(ctx context.Context, e Event) { f(ctx, e) }

// Observers tells all of them, in order.
func Observers(all ...Observer) Observer {
	return ObserverFunc(func(ctx context.Context, e Event) {
		for _, o := range all {
			o.Observe(ctx, e)
		}
	})
}

// SlogObserver writes events to a logger: what breaks as errors and warnings, what
// begins and ends as information, the rest for debugging. It leaves out subjects,
// which are personal data.
func SlogObserver(logger *slog.Logger) Observer { return slogObserver{logger} }

type slogObserver struct{ logger *slog.Logger }

// level is from the operator's point of view: what needs a person is a warning or an
// error; what any client can cause at will is not, or a stranger could fill the log.
func (e EventName) level() slog.Level {
	switch e {
	case EventStoreError, EventCorrupt:
		return slog.LevelError
	case EventStaleProof, EventLate, EventMisuse, EventBadValue, EventCookie:
		return slog.LevelWarn
	case EventCreate, EventRegenerate, EventAuthenticate, EventDestroy, EventRevoke, EventReject, EventEnded:
		return slog.LevelInfo
	}
	return slog.LevelDebug
}

func (o slogObserver) Observe(ctx context.Context, e Event) {
	level := e.Name.level()
	if !o.logger.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 6)
	attrs = append(attrs, slog.String("cookie", e.Cookie))
	if !e.Handle.IsZero() {
		attrs = append(attrs, slog.String("handle", e.Handle.String()))
	}
	if e.Reason != "" {
		attrs = append(attrs, slog.String("reason", string(e.Reason)))
	}
	if e.Detail != "" {
		attrs = append(attrs, slog.String("detail", e.Detail))
	}
	if e.Count != 0 {
		attrs = append(attrs, slog.Int("count", e.Count))
	}
	if e.Err != nil {
		attrs = append(attrs, slog.String("error", e.Err.Error()))
	}
	o.logger.LogAttrs(ctx, level, string(e.Name), attrs...)
}

// warnings is what a manager without an Observer does: failures that nobody would
// see otherwise go to the default logger.
type warnings struct{}

func (warnings) Observe(ctx context.Context, e Event) {
	if e.Name.level() >= slog.LevelWarn {
		slogObserver{slog.Default()}.Observe(ctx, e)
	}
}
