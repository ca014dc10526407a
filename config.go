package beaker

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Config says how a manager works. The zero value of each field is the safe choice;
// only Store (or Sealed) and Secrets must be given. [New] copies what it needs and
// reports every mistake at once, so a Config may be changed and reused.
type Config struct {
	_ [0]func() // no comparison, no unkeyed literals

	// Store is where sessions are kept: a memstore, a filestore or another. Exactly one
	// of Store and Sealed must be given.
	Store Store

	// Sealed keeps the sessions in their cookies.
	Sealed *Sealed

	// Secrets sign what the browser holds. Every node must have the same.
	Secrets *Secrets

	// App keeps applications apart that share a store or secrets: it goes into every
	// hash and signature. Changing it ends all sessions. At most 255 bytes. Default: the
	// cookie's name.
	App string

	// Cookie is how the session cookie looks.
	Cookie Cookie

	// IdleTimeout ends a session that was not used for so long. Default: 30 minutes,
	// or AbsoluteTimeout where that is shorter. At least a second; NoLimit leaves only
	// AbsoluteTimeout. OWASP: 15 to 30 minutes for low risk, 2 to 5 for high.
	IdleTimeout time.Duration

	// AbsoluteTimeout ends a session so long after it began, or after the subject was
	// set, however much it is used. Default: 12 hours. At least a second, at most 100
	// years: there is no "never", and NoLimit is refused.
	AbsoluteTimeout time.Duration

	// TouchInterval is how often the time of use is written at most. A session may
	// end so much earlier than IdleTimeout says, never later. Default: a tenth of
	// IdleTimeout, between a second and a minute. It must be shorter than IdleTimeout.
	TouchInterval time.Duration

	// NoTouch never writes the time of use: LastAccessed is then when the session
	// was last changed. It needs IdleTimeout: NoLimit.
	NoTouch bool

	// Save says when changed values are saved. Default: SaveOnChange.
	Save SavePolicy

	// Codec turns values into bytes. Default: JSON. With another one, values that are
	// stored already may no longer decode.
	Codec Codec

	// MaxBytes bounds the encoded names and values of a session: a change that makes it
	// larger is a [TooLargeError]. Default: 64 KiB. There is no way to ask for no bound.
	MaxBytes int

	// MaxKeys bounds the number of values, likewise. Default: 256.
	MaxKeys int

	// MaxPerSubject ends, at each sign-in, the sessions of the subject that signed in
	// first, so that so many are left (OWASP ASVS 7.1.2). However many sign in at once,
	// the same ones stay. Zero: no limit. It needs a store that lists by subject.
	MaxPerSubject int

	// OnCorrupt says what happens when a stored record does not decode. Default:
	// CorruptStartsNew.
	OnCorrupt CorruptPolicy

	// OnStaleProof says what happens when a cookie comes back whose secret was
	// replaced long ago: a browser that was restored from a backup, or a thief.
	// Default: StaleProofReports.
	OnStaleProof StaleProofPolicy

	// StoreTimeout bounds each store operation. Default: 2 seconds. At least a
	// millisecond.
	StoreTimeout time.Duration

	// PurgeInterval is how often expired records are removed, give or take a fifth,
	// where the store needs that. Default: 5 minutes. Negative: never; then something
	// else must do it.
	PurgeInterval time.Duration

	// WatchInterval is how often a session that is waited for (Session.Watch) is looked
	// at, and so how late its end is noticed where no message of it arrives. Default: 10
	// seconds. At least a millisecond; each watch costs a read of the store as often.
	WatchInterval time.Duration

	// Observer is told what happens. Default: warnings and errors go to slog.Default.
	Observer Observer

	// ErrorHandler answers instead of the handler when a session cannot be loaded
	// (Manager.Error, Require) or saved. Default: a short text with the status of
	// StatusOf, and Retry-After where trying again helps; Manager.Error, called within, is
	// that default. Get with the context of the request gives the session, if there is one.
	ErrorHandler func(w http.ResponseWriter, r *http.Request, err error)

	// Now is the clock, for tests. Default: time.Now.
	Now func() time.Time

	sealedBytes int
	realClock   bool // Now is time.Now
}

// SavePolicy says when changed values are saved.
type SavePolicy int

const (
	// SaveOnChange saves what was changed, at the end of the request.
	SaveOnChange SavePolicy = iota
	// SaveExplicit saves changed values only if Session.Save or Persist was called.
	// It applies to values; what ends, moves or limits a session is always carried out.
	SaveExplicit
)

// CorruptPolicy says what happens when a stored record does not decode.
type CorruptPolicy int

const (
	// CorruptStartsNew gives the client a new session and leaves the record alone.
	CorruptStartsNew CorruptPolicy = iota
	// CorruptFails makes Get return the error.
	CorruptFails
)

// StaleProofPolicy says what happens when a long replaced cookie comes back.
type StaleProofPolicy int

const (
	// StaleProofReports emits EventStaleProof; the client is a stranger.
	StaleProofReports StaleProofPolicy = iota
	// StaleProofEnds also ends the session, since one of two holders of it is a thief.
	StaleProofEnds
)

// Cookie is the session cookie. The zero value is the safest one that every browser
// takes: __Host-session; Path=/; Secure; HttpOnly; SameSite=Lax.
type Cookie struct {
	_ [0]func()

	// Name is the cookie's name. Default: "__Host-session", or "__Secure-session" if
	// Domain or Path is set. The prefix makes browsers refuse cookies of that name that
	// a sibling host or a plain-text attacker planted (RFC 6265bis, 4.1.3).
	Name string

	// Domain also sends the cookie to all hosts below, each of which can then also plant
	// one. Default: this host only. A leading dot is ignored. It rules out __Host-.
	Domain string

	// Path limits the cookie to URLs below. It is no protection: pages of one host reach
	// each other whatever their paths. Default: "/". Any other rules out __Host-.
	Path string

	// SameSite says on which cross-site requests the cookie is sent. Default: Lax. With
	// None it goes along with every request that another site causes.
	SameSite http.SameSite

	// Partitioned keeps a cookie of an embedded page apart for each embedding site
	// (CHIPS). It needs SameSite None. A browser keeps a partitioned cookie beside one of the
	// same name that is not, and then sends both: when you turn this off, change Name too.
	Partitioned bool

	// Expires says how long the browser keeps the cookie. Default: ExpiresWithBrowser.
	Expires Expiry

	// InsecureHosts names hosts, without scheme and port, that may be served over plain
	// HTTP, for development: there the cookie is sent without Secure and without the
	// name's prefix. Browsers take Secure cookies on http://localhost anyway, except
	// Safari. New refuses what the internet can reach: allowed are loopback and private
	// addresses, names without a dot, and those that no public name server knows
	// (localhost, .test, .internal, .local, .home.arpa and the like).
	InsecureHosts []string
}

const (
	defaultIdle         = 30 * time.Minute
	defaultAbsolute     = 12 * time.Hour
	defaultMaxBytes     = 64 << 10
	defaultMaxKeys      = 256
	defaultStoreTimeout = 2 * time.Second
	defaultPurge        = 5 * time.Minute
	defaultWatch        = 10 * time.Second
	maxAbsolute         = 100 * 365 * 24 * time.Hour
)

// ConfigError is one mistake in a Config, or in what [Session.SetCookieAttributes] was
// given.
type ConfigError struct {
	Field  string // for example "Cookie.Name"
	Remedy string // what is wrong and what to do
}

func (e *ConfigError) Error() string { return "beaker: Config." + e.Field + ": " + e.Remedy }

// check completes c and returns every mistake in it.
func (c *Config) check() error {
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, &ConfigError{field, fmt.Sprintf(format, args...)})
	}
	checkNil("Store", c.Store, bad)
	switch {
	case c.Store == nil && c.Sealed == nil:
		bad("Store", "is missing: give a memstore, a filestore or another store, or keep sessions in their cookies with Sealed")
	case c.Store != nil && c.Sealed != nil:
		bad("Sealed", "contradicts Store: a session is either in the store or in its cookie")
	}
	if c.Secrets == nil || c.Secrets.ring.Load() == nil {
		bad("Secrets", "is missing: OpenSecrets(\"data/secrets\") keeps one on this machine; on several, make one with NewSecret and give it to all by SecretsFromFile or ParseSecrets")
	}
	c.checkTimes(bad)
	c.checkLimits(bad)
	c.checkSealed(bad)
	c.Cookie.check(bad)
	if c.App == "" {
		c.App = c.Cookie.Name
	}
	if len(c.App) > 255 {
		bad("App", "is longer than 255 bytes")
	}
	if c.Save != SaveOnChange && c.Save != SaveExplicit {
		bad("Save", "is neither SaveOnChange nor SaveExplicit")
	}
	if c.OnCorrupt != CorruptStartsNew && c.OnCorrupt != CorruptFails {
		bad("OnCorrupt", "is neither CorruptStartsNew nor CorruptFails")
	}
	if c.OnStaleProof != StaleProofReports && c.OnStaleProof != StaleProofEnds {
		bad("OnStaleProof", "is neither StaleProofReports nor StaleProofEnds")
	}
	if c.Codec == nil {
		c.Codec = JSON{}
	}
	if f, ok := c.Observer.(ObserverFunc); ok && f == nil {
		bad("Observer", "is a nil ObserverFunc: leave Observer out for the default, warnings and errors in slog.Default")
	}
	if c.Observer == nil {
		c.Observer = warnings{}
	}
	if c.Now == nil {
		c.Now, c.realClock = time.Now, true //nolint:forbidigo // the default clock
	}
	return errors.Join(errs...)
}

// checkNil finds what Open returned with an error that nobody looked at: a pointer that
// is nil, in an interface that is not. It would panic at the first request.
func checkNil(field string, s Store, bad complaint) {
	if v := reflect.ValueOf(s); v.Kind() == reflect.Pointer && v.IsNil() {
		bad(field, "is a nil %T: look at the error that came with it", s)
	}
}

type complaint func(field, format string, args ...any)

func (c *Config) checkTimes(bad complaint) {
	switch {
	case c.AbsoluteTimeout == 0:
		c.AbsoluteTimeout = defaultAbsolute
	case c.AbsoluteTimeout < time.Second:
		bad("AbsoluteTimeout", "is %v: give at least a second, such as 12 * time.Hour", c.AbsoluteTimeout)
		c.AbsoluteTimeout = defaultAbsolute
	case c.AbsoluteTimeout > maxAbsolute:
		bad("AbsoluteTimeout", "must have an end: NoLimit is for IdleTimeout only")
		c.AbsoluteTimeout = defaultAbsolute
	}
	switch {
	case c.IdleTimeout == 0:
		c.IdleTimeout = min(defaultIdle, c.AbsoluteTimeout)
	case c.IdleTimeout == NoLimit:
	case c.IdleTimeout < time.Second:
		bad("IdleTimeout", "is %v: give at least a second, such as 30 * time.Minute, or NoLimit", c.IdleTimeout)
	case c.IdleTimeout > c.AbsoluteTimeout:
		bad("IdleTimeout", "is %v, longer than AbsoluteTimeout (%v), and would never count: shorten it, or say NoLimit", c.IdleTimeout, c.AbsoluteTimeout)
	}
	if c.NoTouch && c.IdleTimeout != NoLimit {
		bad("NoTouch", "with an idle timeout ends sessions that are in use: say IdleTimeout: NoLimit, or leave NoTouch out")
	}
	switch {
	case c.TouchInterval == 0:
		c.TouchInterval = min(max(c.IdleTimeout/10, time.Second), time.Minute)
	case c.TouchInterval < 0:
		bad("TouchInterval", "is negative")
	case c.TouchInterval >= c.IdleTimeout && c.IdleTimeout > 0:
		bad("TouchInterval", "is %v, not less than IdleTimeout (%v): sessions in use would end", c.TouchInterval, c.IdleTimeout)
	}
	if c.StoreTimeout == 0 {
		c.StoreTimeout = defaultStoreTimeout
	}
	if c.StoreTimeout < time.Millisecond {
		bad("StoreTimeout", "is negative or too short (%v): give at least a millisecond", c.StoreTimeout)
	}
	if c.PurgeInterval == 0 {
		c.PurgeInterval = defaultPurge
	}
	if c.PurgeInterval > 0 && c.PurgeInterval < time.Millisecond {
		bad("PurgeInterval", "is %v: give at least a millisecond", c.PurgeInterval)
	}
	if c.WatchInterval == 0 {
		c.WatchInterval = defaultWatch
	}
	if c.WatchInterval < time.Millisecond {
		bad("WatchInterval", "is negative or too short (%v): give at least a millisecond", c.WatchInterval)
	}
}

func (c *Config) checkLimits(bad complaint) {
	if c.MaxBytes == 0 {
		c.MaxBytes = defaultMaxBytes
	}
	if c.MaxBytes < 0 {
		bad("MaxBytes", "is negative")
	}
	if c.MaxKeys == 0 {
		c.MaxKeys = defaultMaxKeys
	}
	if c.MaxKeys < 0 {
		bad("MaxKeys", "is negative")
	}
	if c.MaxPerSubject < 0 {
		bad("MaxPerSubject", "is negative")
	}
	if _, lists := c.Store.(Lister); c.MaxPerSubject > 0 && !lists {
		bad("MaxPerSubject", "needs a store that lists the sessions of a subject; sealed sessions are in their cookies, where nobody can count them")
	}
}

func (c *Cookie) check(bad complaint) {
	c.Domain = strings.TrimPrefix(c.Domain, ".")
	if c.Path == "" {
		c.Path = "/"
	}
	if c.SameSite == 0 {
		c.SameSite = http.SameSiteLaxMode
	}
	if c.Name == "" {
		c.Name = "__Host-session"
		if c.Domain != "" || c.Path != "/" {
			c.Name = "__Secure-session"
		}
	}
	if !isToken(c.Name) {
		bad("Cookie.Name", "%q is not a cookie name: use letters, digits, - and _", c.Name)
	}
	if rest := c.Name[len(cookiePrefix(c.Name)):]; rest == "" || cookiePrefix(rest) != "" {
		bad("Cookie.Name", "%q must be one prefix and a name", c.Name)
	}
	for _, p := range c.attributes().problems(c.Name) {
		bad("Cookie."+p.Field, "%s", p.Remedy)
	}
	hosts := make([]string, 0, len(c.InsecureHosts))
	for _, h := range c.InsecureHosts {
		if h == "" || strings.ContainsAny(h, "/*@ ") || strings.Contains(h, ":") && !isIP(h) {
			bad("Cookie.InsecureHosts", "%q is not a host: give a name or an address without scheme, port and wildcard", h)
		} else if !isPrivate(h) {
			bad("Cookie.InsecureHosts", "%q can be reached over the internet, where everybody on the way could read the cookie: serve it over HTTPS, or for development give it a private address or a name such as app.test", h)
		}
		hosts = append(hosts, strings.ToLower(strings.Trim(h, "[]")))
	}
	c.InsecureHosts = hosts
}

// isPrivate reports whether a host is out of the internet's reach, as far as its name or
// address tells.
func isPrivate(host string) bool {
	if ip, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		ip = ip.Unmap().WithZone("")
		return ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast() ||
			slices.ContainsFunc(localNetworks, func(n netip.Prefix) bool { return n.Contains(ip) })
	}
	name := strings.TrimSuffix(strings.ToLower(host), ".")
	return !strings.Contains(name, ".") || slices.ContainsFunc(localDomains, func(d string) bool { return strings.HasSuffix(name, d) })
}

var (
	// Addresses that are shared behind carriers and overlay networks (RFC 6598), and
	// those that examples use (RFC 5737, 3849).
	localNetworks = []netip.Prefix{
		netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.51.100.0/24"),
		netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8::/32"),
	}
	// Names that are not delegated to anybody: RFC 2606, 6761, 6762, 8375, and .internal
	// by ICANN's resolution of July 2024; the rest is what routers and images use.
	localDomains = []string{
		".localhost", ".test", ".example", ".invalid", ".local", ".home.arpa", ".internal", ".localdomain", ".lan", ".home", ".corp", ".intranet",
	}
)

func isIP(h string) bool {
	_, err := netip.ParseAddr(strings.Trim(h, "[]"))
	return err == nil
}

// hostOf returns the host of a Host header in lower case, without the port.
func hostOf(hostport string) string {
	host := hostport
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") && (host[0] == '[' || strings.IndexByte(host, ':') == i) {
		host = host[:i]
	}
	return strings.ToLower(strings.Trim(host, "[]"))
}
