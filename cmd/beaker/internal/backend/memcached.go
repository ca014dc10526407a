package backend

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/seed12c5fab1/beaker"
	"github.com/seed12c5fab1/beaker/memcachestore"
)

const memcachedForm = "memcached://HOST:PORT,HOST:PORT?generation=1&prefix=beaker"

func openMemcached(ctx context.Context, r request, cfg *beaker.Config) (*Backend, error) {
	servers, o, err := memcachedServers(r)
	if err != nil {
		return nil, err
	}
	s, err := memcachestore.Open(servers, &o)
	if err != nil {
		return nil, err
	}
	// The store itself goes on when one of its servers is away. A demo that begins so
	// was given a wrong address.
	limited, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	if err := s.Ping(limited); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	cfg.Store = s
	place := fmt.Sprintf("memcached at %s, generation %s", strings.Join(servers, ", "), o.Generation)
	return &Backend{place, []func() error{s.Close}}, nil
}

// memcachedServers reads a list of servers as a URL, which is one only nearly: a list of
// hosts with ports is no host. There is no password in it, since the client has no use
// for one.
func memcachedServers(r request) ([]string, memcachestore.Options, error) {
	var o memcachestore.Options
	bad := fmt.Errorf("these servers are not understood; the form is\n  %s\nwith all servers, and a generation that is another one whenever they change", memcachedForm)
	rest, ok := strings.CutPrefix(r.arg, "//")
	list, query, _ := strings.Cut(rest, "?")
	list = strings.TrimSuffix(list, "/")
	if !ok || list == "" || strings.ContainsAny(rest, "@#") || strings.Contains(list, "/") {
		return nil, o, bad
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, o, bad
	}
	for name, v := range values {
		if len(v) != 1 {
			return nil, o, bad
		}
		switch name {
		case "generation":
			o.Generation = v[0]
		case "prefix":
			o.Prefix = v[0]
		default:
			return nil, o, bad
		}
	}
	if o.Generation == "" {
		return nil, o, fmt.Errorf("which generation? say memcached://%s?generation=1, and another one whenever the list of servers changes", list)
	}
	return strings.Split(list, ","), o, nil
}
