// Package beaker and not beaker_test: the defaults are seen in the manager's own copy
// of the Config, which is not exported.
package beaker

import (
	"context"
	"errors"
	"math"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// unusedStore is a store that nothing calls.
type unusedStore struct{ Store }

func goodConfig(t *testing.T) Config {
	t.Helper()
	return Config{Store: unusedStore{}, Secrets: parseTestSecrets(t, "a:"+testKey("a"))}
}

// fields returns the fields of the mistakes in err.
func fields(t *testing.T, err error) (all []string) {
	t.Helper()
	if err == nil {
		return nil
	}
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		t.Fatalf("%v is not a list", err)
	}
	for _, e := range joined.Unwrap() {
		var ce *ConfigError
		if !errors.As(e, &ce) {
			t.Fatalf("%v is not a ConfigError", e)
		}
		if ce.Remedy == "" || e.Error() != "beaker: Config."+ce.Field+": "+ce.Remedy {
			t.Errorf("%q does not say where and what", e)
		}
		all = append(all, ce.Field)
	}
	return all
}

// The defaults are those of the comments, CK-1, CK-4 and ID-7 among them.
func TestDefaults(t *testing.T) {
	m, err := New(goodConfig(t))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	c := m.cfg
	for _, d := range []struct {
		field     string
		got, want any
	}{
		{"App", c.App, "__Host-session"},
		{"IdleTimeout", c.IdleTimeout, 30 * time.Minute},
		{"AbsoluteTimeout", c.AbsoluteTimeout, 12 * time.Hour},
		{"TouchInterval", c.TouchInterval, time.Minute},
		{"NoTouch", c.NoTouch, false},
		{"Save", c.Save, SaveOnChange},
		{"Codec", c.Codec, JSON{}},
		{"MaxBytes", c.MaxBytes, 64 << 10},
		{"MaxKeys", c.MaxKeys, 256},
		{"OnCorrupt", c.OnCorrupt, CorruptStartsNew},
		{"OnStaleProof", c.OnStaleProof, StaleProofReports},
		{"StoreTimeout", c.StoreTimeout, 2 * time.Second},
		{"PurgeInterval", c.PurgeInterval, 5 * time.Minute},
		{"Observer", c.Observer, warnings{}},
		{"Cookie.Name", c.Cookie.Name, "__Host-session"},
		{"Cookie.Domain", c.Cookie.Domain, ""},
		{"Cookie.Path", c.Cookie.Path, "/"},
		{"Cookie.SameSite", c.Cookie.SameSite, http.SameSiteLaxMode},
		{"Cookie.Partitioned", c.Cookie.Partitioned, false},
		{"Cookie.Expires", c.Cookie.Expires, ExpiresWithBrowser},
		{"Cookie.InsecureHosts", len(c.Cookie.InsecureHosts), 0},
		{"the limits of a session", m.limits, Limits{MaxBytes: 64 << 10, MaxKeys: 256}},
		{"a style for plain HTTP", m.plain, (*style)(nil)},
	} {
		if !reflect.DeepEqual(d.got, d.want) {
			t.Errorf("%s is %v, want %v", d.field, d.got, d.want)
		}
	}
	if now := time.Now(); c.Now().Sub(now).Abs() > time.Minute {
		t.Error("the clock is not the real one")
	}
	if lower := strings.ToLower(c.Cookie.Name); strings.Contains(lower, "beaker") || strings.Contains(lower, "go") {
		t.Errorf("the default name %q tells what serves it", c.Cookie.Name)
	}
}

func TestDefaultsThatDependOnOtherFields(t *testing.T) {
	for _, tc := range []struct {
		desc   string
		change func(*Config)
		get    func(*Manager) any
		want   any
	}{
		{"App is the cookie's name", func(c *Config) { c.Cookie.Name = "sid" }, func(m *Manager) any { return m.cfg.App }, "sid"},
		{"a name for a Domain", func(c *Config) { c.Cookie.Domain = "example.com" }, func(m *Manager) any { return m.cfg.Cookie.Name }, "__Secure-session"},
		{"a name for a Path", func(c *Config) { c.Cookie.Path = "/app" }, func(m *Manager) any { return m.cfg.Cookie.Name }, "__Secure-session"},
		{"a name for the Path /", func(c *Config) { c.Cookie.Path = "/" }, func(m *Manager) any { return m.cfg.Cookie.Name }, "__Host-session"},
		{"a leading dot is ignored", func(c *Config) { c.Cookie.Domain = ".example.com" }, func(m *Manager) any { return m.attrs.Domain }, "example.com"},
		{"idle follows a shorter absolute", func(c *Config) { c.AbsoluteTimeout = time.Minute }, func(m *Manager) any { return m.cfg.IdleTimeout }, time.Minute},
		{"idle does not follow a longer absolute", func(c *Config) { c.AbsoluteTimeout = 40 * time.Hour }, func(m *Manager) any { return m.cfg.IdleTimeout }, 30 * time.Minute},
		{"touch is a tenth of idle", func(c *Config) { c.IdleTimeout = 5 * time.Minute }, func(m *Manager) any { return m.cfg.TouchInterval }, 30 * time.Second},
		{"touch is at most a minute", func(c *Config) { c.IdleTimeout = 12 * time.Hour }, func(m *Manager) any { return m.cfg.TouchInterval }, time.Minute},
		{"touch is at most a minute without an idle limit", func(c *Config) { c.IdleTimeout = NoLimit }, func(m *Manager) any { return m.cfg.TouchInterval }, time.Minute},
		{"touch is at least a second", func(c *Config) { c.IdleTimeout = 5 * time.Second }, func(m *Manager) any { return m.cfg.TouchInterval }, time.Second},
		{"plain HTTP drops the prefix", func(c *Config) { c.Cookie.InsecureHosts = []string{"localhost"} }, func(m *Manager) any { return m.plain.name }, "session"},
		{"plain HTTP drops the prefix in any case", func(c *Config) { c.Cookie.Name, c.Cookie.InsecureHosts = "__hOST-x", []string{"localhost"} }, func(m *Manager) any { return m.plain.name }, "x"},
		{"plain HTTP drops the longer prefix", func(c *Config) {
			c.Cookie.Name, c.Cookie.InsecureHosts = "__Host-Http-x", []string{"localhost"}
		}, func(m *Manager) any { return m.plain.name }, "x"},
		{"hosts are compared in lower case, without brackets", func(c *Config) { c.Cookie.InsecureHosts = []string{"LocalHost", "[::1]", "127.0.0.1"} }, func(m *Manager) any { return m.cfg.Cookie.InsecureHosts }, []string{"localhost", "::1", "127.0.0.1"}},
		{"no purging", func(c *Config) { c.PurgeInterval = -1 }, func(m *Manager) any { return m.cfg.PurgeInterval < 0 }, true},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			c := goodConfig(t)
			tc.change(&c)
			m, err := New(c)
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			if got := tc.get(m); !reflect.DeepEqual(got, tc.want) {
				t.Errorf("%v, want %v", got, tc.want)
			}
		})
	}
}

// Each mistake names its field, and what to do. DO-5: durations at the edges too.
func TestNewRefuses(t *testing.T) {
	for _, tc := range []struct {
		desc   string
		change func(*Config)
		field  string
		remedy string
	}{
		{"no store", func(c *Config) { c.Store = nil }, "Store", "give a memstore"},
		{"a store whose error nobody looked at", func(c *Config) { c.Store = (*sealedStore)(nil) }, "Store", "is a nil *beaker.sealedStore: look at the error"},
		{"a revoker whose error nobody looked at", func(c *Config) { c.Store, c.Sealed = nil, &Sealed{Revoker: (*sealedStore)(nil)} }, "Sealed.Revoker", "is a nil *beaker.sealedStore"},
		{"a bare number for a duration", func(c *Config) { c.IdleTimeout = 1800 }, "IdleTimeout", "is 1.8µs: give at least a second, such as 30 * time.Minute"},
		{"a store and sealed", func(c *Config) { c.Sealed = &Sealed{AllowReplay: true} }, "Sealed", "either"},
		{"no secrets", func(c *Config) { c.Secrets = nil }, "Secrets", "NewSecret"},
		{"empty secrets", func(c *Config) { c.Secrets = &Secrets{} }, "Secrets", "NewSecret"},
		{"an App that is too long", func(c *Config) { c.App = strings.Repeat("a", 256) }, "App", "255"},
		{"idle below a second", func(c *Config) { c.IdleTimeout = time.Second - 1 }, "IdleTimeout", "at least a second"},
		{"idle without a unit", func(c *Config) { c.IdleTimeout = 30 }, "IdleTimeout", "at least a second"},
		{"negative idle", func(c *Config) { c.IdleTimeout = -time.Minute }, "IdleTimeout", "at least a second"},
		{"the most negative idle", func(c *Config) { c.IdleTimeout = math.MinInt64 }, "IdleTimeout", "at least a second"},
		{"idle longer than absolute", func(c *Config) { c.IdleTimeout, c.AbsoluteTimeout = 2*time.Hour, time.Hour }, "IdleTimeout", "would never count"},
		{"idle longer than the default absolute", func(c *Config) { c.IdleTimeout = 13 * time.Hour }, "IdleTimeout", "would never count"},
		{"the longest duration that is not NoLimit", func(c *Config) { c.IdleTimeout = math.MaxInt64 }, "IdleTimeout", "NoLimit"},
		{"absolute below a second", func(c *Config) { c.AbsoluteTimeout = time.Millisecond }, "AbsoluteTimeout", "at least a second"},
		{"negative absolute", func(c *Config) { c.AbsoluteTimeout = math.MinInt64 }, "AbsoluteTimeout", "at least a second"},
		{"absolute without an end", func(c *Config) { c.AbsoluteTimeout = NoLimit }, "AbsoluteTimeout", "must have an end"},
		{"the longest absolute", func(c *Config) { c.AbsoluteTimeout = math.MaxInt64 }, "AbsoluteTimeout", "must have an end"},
		{"touch as long as idle", func(c *Config) { c.TouchInterval = 30 * time.Minute }, "TouchInterval", "sessions in use would end"},
		{"the longest touch", func(c *Config) { c.TouchInterval = math.MaxInt64 }, "TouchInterval", "sessions in use would end"},
		{"negative touch", func(c *Config) { c.TouchInterval = -1 }, "TouchInterval", "negative"},
		{"no touch with an idle timeout", func(c *Config) { c.NoTouch = true }, "NoTouch", "IdleTimeout: NoLimit"},
		{"negative store timeout", func(c *Config) { c.StoreTimeout = math.MinInt64 }, "StoreTimeout", "negative"},
		{"negative bytes", func(c *Config) { c.MaxBytes = -1 }, "MaxBytes", "negative"},
		{"negative keys", func(c *Config) { c.MaxKeys = math.MinInt }, "MaxKeys", "negative"},
		{"an unknown save policy", func(c *Config) { c.Save = 2 }, "Save", "SaveOnChange"},
		{"an unknown corrupt policy", func(c *Config) { c.OnCorrupt = -1 }, "OnCorrupt", "CorruptFails"},
		{"an unknown stale proof policy", func(c *Config) { c.OnStaleProof = 2 }, "OnStaleProof", "StaleProofEnds"},
		{"a name with a blank", func(c *Config) { c.Cookie.Name = "my session" }, "Cookie.Name", "letters, digits"},
		{"a name with a semicolon", func(c *Config) { c.Cookie.Name = "a;b" }, "Cookie.Name", "letters, digits"},
		{"a name with an equals sign", func(c *Config) { c.Cookie.Name = "a=b" }, "Cookie.Name", "letters, digits"},
		{"a name with a line end", func(c *Config) { c.Cookie.Name = "a\r\nX: y" }, "Cookie.Name", "letters, digits"},
		{"a name that is not ASCII", func(c *Config) { c.Cookie.Name = "ñ" }, "Cookie.Name", "letters, digits"},
		{"a name that is too long", func(c *Config) { c.App, c.Cookie.Name = "a", strings.Repeat("n", 256) }, "Cookie.Name", "letters, digits"},
		{"__Host- with a Domain", func(c *Config) { c.Cookie.Name, c.Cookie.Domain = "__Host-x", "example.com" }, "Cookie.Domain", "__Secure-"},
		{"__Host- with a Path", func(c *Config) { c.Cookie.Name, c.Cookie.Path = "__Host-x", "/app" }, "Cookie.Path", "__Secure-"},
		{"__host- in another case with a Domain", func(c *Config) { c.Cookie.Name, c.Cookie.Domain = "__hOsT-x", "example.com" }, "Cookie.Domain", "__Secure-"},
		{"__Host-Http- with a Domain", func(c *Config) { c.Cookie.Name, c.Cookie.Domain = "__Host-Http-x", "example.com" }, "Cookie.Domain", "__Secure-"},
		{"__host-http- in another case with a Path", func(c *Config) { c.Cookie.Name, c.Cookie.Path = "__HOST-hTTP-x", "/app" }, "Cookie.Path", "__Secure-"},
		{"a Domain that is a URL", func(c *Config) { c.Cookie.Domain = "https://example.com" }, "Cookie.Domain", "such as example.com"},
		{"a Domain with a port", func(c *Config) { c.Cookie.Domain = "example.com:8080" }, "Cookie.Domain", "such as example.com"},
		{"a Domain that is an address", func(c *Config) { c.Cookie.Domain = "192.0.2.1" }, "Cookie.Domain", "such as example.com"},
		{"a Domain that is a top-level one", func(c *Config) { c.Cookie.Domain = "com" }, "Cookie.Domain", "such as example.com"},
		{"a Domain that is not ASCII", func(c *Config) { c.Cookie.Domain = "exämple.com" }, "Cookie.Domain", "punycode"},
		{"a Domain with a semicolon", func(c *Config) { c.Cookie.Domain = "example.com; Secure=0" }, "Cookie.Domain", "such as example.com"},
		{"a Domain with two leading dots", func(c *Config) { c.Cookie.Domain = "..example.com" }, "Cookie.Domain", "such as example.com"},
		{"a Domain with a dot at the end", func(c *Config) { c.Cookie.Domain = "example.com." }, "Cookie.Domain", "such as example.com"},
		{"a Domain that is too long", func(c *Config) { c.Cookie.Domain = strings.Repeat("a.", 126) + "com" }, "Cookie.Domain", "such as example.com"},
		{"a label that is too long", func(c *Config) { c.Cookie.Domain = strings.Repeat("a", 64) + ".com" }, "Cookie.Domain", "such as example.com"},
		{"a Path without a slash", func(c *Config) { c.Cookie.Path = "app" }, "Cookie.Path", "must start with /"},
		{"a Path with a semicolon", func(c *Config) { c.Cookie.Path = "/a;b" }, "Cookie.Path", "semicolons"},
		{"a Path with a line end", func(c *Config) { c.Cookie.Path = "/a\nb" }, "Cookie.Path", "control characters"},
		{"a Path that is not ASCII", func(c *Config) { c.Cookie.Path = "/ä" }, "Cookie.Path", "must start with /"},
		{"a Path above 1024 bytes", func(c *Config) { c.Cookie.Path = "/" + strings.Repeat("a", 1024) }, "Cookie.Path", "must start with /"},
		{"SameSite that is left to the browser", func(c *Config) { c.Cookie.SameSite = http.SameSiteDefaultMode }, "Cookie.SameSite", "Lax, Strict or None"},
		{"an unknown SameSite", func(c *Config) { c.Cookie.SameSite = 5 }, "Cookie.SameSite", "Lax, Strict or None"},
		{"a negative SameSite", func(c *Config) { c.Cookie.SameSite = -1 }, "Cookie.SameSite", "Lax, Strict or None"},
		{"Partitioned with Lax", func(c *Config) { c.Cookie.Partitioned = true }, "Cookie.Partitioned", "SameSiteNoneMode"},
		{"Partitioned with Strict", func(c *Config) { c.Cookie.Partitioned, c.Cookie.SameSite = true, http.SameSiteStrictMode }, "Cookie.Partitioned", "SameSiteNoneMode"},
		{"Expires above 400 days", func(c *Config) { c.Cookie.Expires = ExpiresAfter(400*24*time.Hour + time.Second) }, "Cookie.Expires", "400 days"},
		{"the longest Expires", func(c *Config) { c.Cookie.Expires = ExpiresAfter(math.MaxInt64) }, "Cookie.Expires", "400 days"},
		{"a nil ObserverFunc", func(c *Config) { c.Observer = ObserverFunc(nil) }, "Observer", "leave Observer out"},
		{"an empty host", func(c *Config) { c.Cookie.InsecureHosts = []string{""} }, "Cookie.InsecureHosts", "without scheme, port"},
		{"a host with a port", func(c *Config) { c.Cookie.InsecureHosts = []string{"localhost:8080"} }, "Cookie.InsecureHosts", "without scheme, port"},
		{"a host with a scheme", func(c *Config) { c.Cookie.InsecureHosts = []string{"http://localhost"} }, "Cookie.InsecureHosts", "without scheme, port"},
		{"every host", func(c *Config) { c.Cookie.InsecureHosts = []string{"*"} }, "Cookie.InsecureHosts", "wildcard"},
		{"a wildcard", func(c *Config) { c.Cookie.InsecureHosts = []string{"*.localhost"} }, "Cookie.InsecureHosts", "wildcard"},
		{"an address with a port", func(c *Config) { c.Cookie.InsecureHosts = []string{"[::1]:80"} }, "Cookie.InsecureHosts", "without scheme, port"},
		{"a network", func(c *Config) { c.Cookie.InsecureHosts = []string{"10.0.0.0/8"} }, "Cookie.InsecureHosts", "without scheme, port"},
		{"a public name", func(c *Config) { c.Cookie.InsecureHosts = []string{"shop.example.com"} }, "Cookie.InsecureHosts", "serve it over HTTPS"},
		{"a public address", func(c *Config) { c.Cookie.InsecureHosts = []string{"8.8.8.8"} }, "Cookie.InsecureHosts", "serve it over HTTPS"},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			c := goodConfig(t)
			tc.change(&c)
			m, err := New(c)
			if m != nil {
				_ = m.Close()
				t.Fatal("it is accepted")
			}
			if got := fields(t, err); !slices.Equal(got, []string{tc.field}) {
				t.Fatalf("%v; want one mistake, in %s", err, tc.field)
			}
			if !strings.Contains(err.Error(), tc.remedy) {
				t.Errorf("%q does not say %q", err, tc.remedy)
			}
		})
	}
}

func TestNewAcceptsTheEdges(t *testing.T) {
	for desc, change := range map[string]func(*Config){
		"the shortest timeouts":          func(c *Config) { c.IdleTimeout, c.AbsoluteTimeout = time.Second, time.Second },
		"the longest absolute timeout":   func(c *Config) { c.AbsoluteTimeout = 100 * 365 * 24 * time.Hour },
		"idle as long as absolute":       func(c *Config) { c.IdleTimeout, c.AbsoluteTimeout = time.Hour, time.Hour },
		"no touch without an idle limit": func(c *Config) { c.NoTouch, c.IdleTimeout = true, NoLimit },
		"the longest store timeout":      func(c *Config) { c.StoreTimeout = math.MaxInt64 },
		"the longest App":                func(c *Config) { c.App = strings.Repeat("a", 255) },
		"an App of any bytes":            func(c *Config) { c.App = "a\x00\xff" },
		"the longest name":               func(c *Config) { c.Cookie.Name = strings.Repeat("n", 255) },
		"__Host- in another case":        func(c *Config) { c.Cookie.Name = "__HOST-x" },
		"__Secure- with Domain and Path": func(c *Config) { c.Cookie.Name, c.Cookie.Domain, c.Cookie.Path = "__Secure-x", "example.com", "/a" },
		"__Http- with Domain":            func(c *Config) { c.Cookie.Name, c.Cookie.Domain = "__Http-x", "example.com" },
		"no prefix at all":               func(c *Config) { c.Cookie.Name = "sid" },
		"almost a prefix":                func(c *Config) { c.Cookie.Name, c.Cookie.Domain = "__Hos-x", "example.com" },
		"the longest path":               func(c *Config) { c.Cookie.Path = "/" + strings.Repeat("a", 1023) },
		"Partitioned with None":          func(c *Config) { c.Cookie.Partitioned, c.Cookie.SameSite = true, http.SameSiteNoneMode },
		"400 days":                       func(c *Config) { c.Cookie.Expires = ExpiresAfter(400 * 24 * time.Hour) },
		"a moment in the year 10000":     func(c *Config) { c.Cookie.Expires = ExpiresAt(time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)) },
		"a punycode domain":              func(c *Config) { c.Cookie.Domain = "xn--exmple-cua.com" },
		"hosts by name and by address": func(c *Config) {
			c.Cookie.InsecureHosts = []string{"localhost", "dev.local", "127.0.0.1", "::1", "[::1]", "192.168.1.5"}
		},
		"all other policies": func(c *Config) { c.Save, c.OnCorrupt, c.OnStaleProof = SaveExplicit, CorruptFails, StaleProofEnds },
		"an observer and a handler": func(c *Config) {
			c.Observer = ObserverFunc(func(context.Context, Event) {})
			c.ErrorHandler = func(http.ResponseWriter, *http.Request, error) {}
		},
		"a purge interval that is rather long": func(c *Config) { c.PurgeInterval = 365 * 24 * time.Hour },
	} {
		t.Run(desc, func(t *testing.T) {
			c := goodConfig(t)
			change(&c)
			m, err := New(c)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(m.Close(), m.Close()); err != nil { // closing twice is allowed
				t.Error(err)
			}
		})
	}
}

func TestNewReportsAllMistakesAtOnce(t *testing.T) {
	_, err := New(Config{
		App: strings.Repeat("a", 300), IdleTimeout: -1, AbsoluteTimeout: -1, TouchInterval: -1, StoreTimeout: -1, MaxBytes: -1, MaxKeys: -1, NoTouch: true,
		Save: 9, OnCorrupt: 9, OnStaleProof: 9, Cookie: Cookie{
			Name: "__Host- x", Domain: "localhost", Path: "x", SameSite: 9, Partitioned: true, Expires: math.MaxInt64, InsecureHosts: []string{"*", "a:1"},
		},
	})
	got := fields(t, err)
	want := []string{
		"Store", "Secrets", "AbsoluteTimeout", "IdleTimeout", "NoTouch", "TouchInterval", "StoreTimeout", "MaxBytes", "MaxKeys", "Cookie.Name", "Cookie.Domain",
		"Cookie.Path", "Cookie.SameSite", "Cookie.Partitioned", "Cookie.Expires", "Cookie.InsecureHosts", "App", "Save", "OnCorrupt", "OnStaleProof",
	}
	for _, field := range want {
		if !slices.Contains(got, field) {
			t.Errorf("nothing is said of %s", field)
		}
	}
	for _, field := range got {
		if !slices.Contains(want, field) {
			t.Errorf("a mistake in %s that is none", field)
		}
	}
	if n := len(slices.DeleteFunc(got, func(f string) bool { return f != "Cookie.InsecureHosts" })); n != 2 {
		t.Errorf("of two bad hosts, %d were named", n)
	}
}

// A Config may be changed and used again; the manager has its own.
func TestNewKeepsAndChangesNothingOfTheConfig(t *testing.T) {
	c := goodConfig(t)
	c.Cookie.Domain = ".Example.com"
	hosts := []string{"LocalHost", "[::1]"}
	c.Cookie.InsecureHosts = hosts
	before := c
	first, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	// Functions and slices cannot be compared with ==, and there are no functions here.
	if !reflect.DeepEqual(c, before) || hosts[0] != "LocalHost" || hosts[1] != "[::1]" {
		t.Error("New changed the caller's Config")
	}
	hosts[0] = "evil.example"
	c.App, c.Cookie.Name, c.IdleTimeout = "second", "sid", time.Minute
	second, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if first.cfg.Cookie.InsecureHosts[0] != "localhost" || first.cfg.App != "__Secure-session" || first.cfg.IdleTimeout != 30*time.Minute {
		t.Error("the first manager changed with the Config")
	}
	if second.cfg.App != "second" || second.cfg.Cookie.Name != "sid" || second.cfg.Cookie.InsecureHosts[0] != "evil.example" {
		t.Error("the second manager is not what its Config says")
	}
}

// Comparing two of them, or a literal without names, would break when a field is added.
func TestConfigsAreNotComparable(t *testing.T) {
	for _, typ := range []reflect.Type{reflect.TypeFor[Config](), reflect.TypeFor[Cookie](), reflect.TypeFor[Sealed]()} {
		if typ.Comparable() {
			t.Errorf("%v is comparable", typ)
		}
		if typ.NumField() == 0 || typ.Field(0).IsExported() || typ.Field(0).Type.Size() != 0 {
			t.Errorf("%v can be written without the names of its fields", typ)
		}
	}
}

func TestSealedConfig(t *testing.T) {
	for _, tc := range []struct {
		desc   string
		sealed Sealed
		change func(*Config)
		field  string // empty: accepted
	}{
		{"nothing said of replay", Sealed{}, nil, "Sealed.Revoker"},
		{"replay is accepted", Sealed{AllowReplay: true}, nil, ""},
		{"a revoker", Sealed{Revoker: unusedStore{}}, nil, ""},
		{"both", Sealed{Revoker: unusedStore{}, AllowReplay: true}, nil, "Sealed.AllowReplay"},
		{"replay for a day", Sealed{AllowReplay: true}, func(c *Config) { c.AbsoluteTimeout = 24 * time.Hour }, ""},
		{"replay for longer", Sealed{AllowReplay: true}, func(c *Config) { c.AbsoluteTimeout = 24*time.Hour + 1 }, "AbsoluteTimeout"},
		{"a revoker for longer", Sealed{Revoker: unusedStore{}}, func(c *Config) { c.AbsoluteTimeout = 48 * time.Hour }, ""},
		{"as much as a browser stores", Sealed{AllowReplay: true, MaxBytes: 4096}, nil, ""},
		{"more than a browser stores", Sealed{AllowReplay: true, MaxBytes: 4097}, nil, "Sealed.MaxBytes"},
		{"less than nothing", Sealed{AllowReplay: true, MaxBytes: -1}, nil, "Sealed.MaxBytes"},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			c := goodConfig(t)
			c.Store, c.Sealed = nil, &tc.sealed
			if tc.change != nil {
				tc.change(&c)
			}
			m, err := New(c)
			if m != nil {
				_ = m.Close()
			}
			if got := strings.Join(fields(t, err), " "); got != tc.field {
				t.Errorf("%v; want a mistake in %q", err, tc.field)
			}
		})
	}
}

func TestHostOf(t *testing.T) {
	for in, want := range map[string]string{
		"": "", ":": "", ":80": "", "localhost": "localhost", "LOCALHOST:8080": "localhost", "Example.COM": "example.com", "127.0.0.1:1": "127.0.0.1",
		"[::1]": "::1", "[::1]:8080": "::1", "::1": "::1", "[": "", "]": "", "[:": "", "a:b:c": "a:b:c",
	} {
		if got := hostOf(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// CK-10: plain HTTP is for hosts that the internet cannot reach.
func TestIsPrivate(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "LOCALHOST": true, "app.localhost": true, "app.test": true, "App.TEST": true, "dev": true, "web-1": true, "a.b.internal": true,
		"printer.local": true, "nas.home.arpa": true, "x.example": true, "app.test.": true,
		"127.0.0.1": true, "127.9.9.9": true, "::1": true, "[::1]": true, "10.1.2.3": true, "172.16.0.1": true, "192.168.178.20": true, "169.254.1.1": true,
		"100.64.0.1": true, "fe80::1": true, "[fe80::1%25eth0]": true, "fd00::1": true, "::ffff:10.0.0.1": true, "192.0.2.1": true, "2001:db8::1": true,
		"example.com": false, "localhost.example.com": false, "test.com": false, "apptest": true, "a.contest": false, "local.net": false, "x.arpa": false,
		"home.arpa.evil.com": false, "8.8.8.8": false, "172.32.0.1": false, "192.169.0.1": false, "100.128.0.1": false, "0.0.0.0": false, "::": false,
		"2001:4860:4860::8888": false, "::ffff:8.8.8.8": false, "127.0.0.1.evil.com": false,
	} {
		if got := isPrivate(host); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
}
