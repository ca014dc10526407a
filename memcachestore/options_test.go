package memcachestore_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/seed12c5fab1/beaker/memcachestore"
)

func TestListsThatAreNotUnderstood(t *testing.T) {
	for _, tc := range []struct {
		list []string
		want string
	}{
		{nil, "the list of servers is empty"},
		{[]string{""}, "is not understood"},
		{[]string{"a:b"}, `"a:b" is not understood`},
		{[]string{"a:0"}, "is not understood"},
		{[]string{"a:70000"}, "is not understood"},
		{[]string{":11211"}, "is not understood"},
		{[]string{"user@a"}, "is not understood"},
		{[]string{"user:hunter2@a"}, "is not understood"},
		{[]string{"memcached://user:hunter2@a:11211"}, "is not understood"},
		{[]string{"a:b:c"}, "is not understood"},
		{[]string{"10.0.0.1:11211:11212"}, "is not understood"},
		{[]string{"[a:1]"}, "is not understood"},
		{[]string{"a b"}, "is not understood"},
		{[]string{"a\r\nflush_all"}, "is not understood"},
		{[]string{"a\x00"}, "is not understood"},
		{[]string{"a,b"}, "is not understood"},
		{[]string{"memcached://a"}, "is not understood"},
		{[]string{"[::1"}, "is not understood"},
		{[]string{"a", "A:11211"}, "a:11211 is in the list twice"},
		{[]string{"x y", "a", "a"}, "twice"}, // all of it is told
	} {
		_, err := memcachestore.Open(tc.list, &memcachestore.Options{Generation: "1"})
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%q: %v, want %q", tc.list, err, tc.want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error shows a password: %v", err)
		}
	}
	for _, list := range [][]string{{"a"}, {"a:1"}, {"127.0.0.1"}, {"::1"}, {"fe80::1%eth0"}, {"[::1]"}, {"[::1]:1"}, {"/run/memcached.sock"}, {"a", "b", "a:1"}} {
		s, err := memcachestore.Open(list, &memcachestore.Options{Generation: "1"})
		if err != nil {
			t.Errorf("%q: %v", list, err)
			continue
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Prefix and generation become parts of a protocol that is lines of words.
func TestOptionsThatMakeNoSense(t *testing.T) {
	good := memcachestore.Options{Generation: "1"}
	for name, tc := range map[string]struct {
		edit func(o *memcachestore.Options)
		want string
	}{
		"no generation":            {func(o *memcachestore.Options) { o.Generation = "" }, `Options.Generation is empty: set it, to "1" for a start`},
		"a long generation":        {func(o *memcachestore.Options) { o.Generation = strings.Repeat("g", 33) }, "Options.Generation"},
		"a long prefix":            {func(o *memcachestore.Options) { o.Prefix = strings.Repeat("p", 65) }, "Options.Prefix"},
		"a prefix of 250 bytes":    {func(o *memcachestore.Options) { o.Prefix = strings.Repeat("p", 250) }, "Options.Prefix"},
		"a negative size":          {func(o *memcachestore.Options) { o.MaxItemBytes = -1 }, "Options.MaxItemBytes"},
		"a tiny size":              {func(o *memcachestore.Options) { o.MaxItemBytes = 1023 }, "Options.MaxItemBytes"},
		"a giant size":             {func(o *memcachestore.Options) { o.MaxItemBytes = math.MaxInt32 }, "Options.MaxItemBytes"},
		"a negative timeout":       {func(o *memcachestore.Options) { o.Timeout = -1 }, "Options.Timeout"},
		"a negative pool":          {func(o *memcachestore.Options) { o.MaxIdleConns = -1 }, "Options.MaxIdleConns"},
		"a pool without a bound":   {func(o *memcachestore.Options) { o.MaxIdleConns = math.MaxInt32 }, "Options.MaxIdleConns"},
		"two mistakes, told first": {func(o *memcachestore.Options) { o.Generation, o.Prefix = "a b", "c d" }, "Options.Generation"},
		"two mistakes, told also":  {func(o *memcachestore.Options) { o.Generation, o.Prefix = "a b", "c d" }, "Options.Prefix"},
	} {
		o := good
		tc.edit(&o)
		if _, err := memcachestore.Open([]string{"localhost"}, &o); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: Open: %v, want %s", name, err, tc.want)
		}
		if _, err := memcachestore.New(memcache.New("127.0.0.1:1"), &o); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: New: %v, want %s", name, err, tc.want)
		}
	}
	for _, word := range hostile {
		for field, o := range map[string]memcachestore.Options{"Prefix": {Generation: "1", Prefix: word}, "Generation": {Generation: word}} {
			if _, err := memcachestore.Open([]string{"localhost"}, &o); err == nil || !strings.Contains(err.Error(), "Options."+field) {
				t.Errorf("%s %q: %v, want an error that names the field", field, word, err)
			}
		}
	}
	if _, err := memcachestore.Open([]string{"localhost"}, nil); err == nil || !strings.Contains(err.Error(), "Options.Generation") {
		t.Errorf("no options: %v", err)
	}
	longest := memcachestore.Options{Generation: strings.Repeat("g", 32), Prefix: strings.Repeat("p", 64)}
	if s, err := memcachestore.Open([]string{"localhost"}, &longest); err != nil {
		t.Errorf("the longest names: %v", err)
	} else if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// hostile is what must not get into a key: it would end it, or join two that differ.
var hostile = []string{
	" ", "a b", "a\r\nflush_all\r\n", "a\n", "\r", "\x00", "a\x00b", "\t", "\x7f", "\u00a0", "\u2028", "\u00e9", "\xff", "a:b", ":", "a/b", "a*",
	"a\\b", "{a}", "a%20b", "a\x1b[0m", "a;b", "a'b", `a"b`,
}

func TestNewSaysWhatIsWrongWithTheClient(t *testing.T) {
	o := &memcachestore.Options{Generation: "1"}
	for name, tc := range map[string]struct {
		client *memcache.Client
		o      *memcachestore.Options
		want   string
	}{
		"nil":                         {nil, o, "the client is nil"},
		"no servers":                  {memcache.New(), o, "memcache.New drops the list"},
		"a name that nobody has":      {memcache.New("127.0.0.1:11211", "nowhere.invalid:11211"), o, "use Open, or SetServers and its error"},
		"a timeout that is Open's":    {memcache.New("127.0.0.1:1"), &memcachestore.Options{Generation: "1", Timeout: time.Second}, "set the client's own"},
		"connections that are Open's": {memcache.New("127.0.0.1:1"), &memcachestore.Options{Generation: "1", MaxIdleConns: 1}, "set the client's own"},
	} {
		if _, err := memcachestore.New(tc.client, tc.o); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %s", name, err, tc.want)
		}
	}
}

// No connection is made before there is something to ask.
func TestServerThatIsAwayIsNoErrorUntilItIsAsked(t *testing.T) {
	s, err := memcachestore.Open([]string{"127.0.0.1:1", "nowhere.invalid"}, &memcachestore.Options{Generation: "1"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	err = s.Ping(t.Context())
	if err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") || !strings.Contains(err.Error(), "check that memcached runs and listens there") {
		t.Errorf("Ping: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Ping(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Ping with a context that has ended: %v", err)
	}
}
