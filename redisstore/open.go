package redisstore

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// Open is New with a client of its own, which Close closes. These forms of URL are
// understood, with what stands in capitals filled in:
//
//	redis://USER:PASSWORD@HOST:PORT/DATABASE
//	rediss://USER:PASSWORD@HOST:PORT/DATABASE                          over TLS
//	unix://USER:PASSWORD@/PATH/TO/SOCKET?db=DATABASE
//	redis://USER:PASSWORD@HOST:PORT?addr=HOST2:PORT&addr=HOST3:PORT    a cluster
//	redis://USER:PASSWORD@HOST:PORT/DATABASE?master_set=NAME&addr=HOST2:PORT
//	                                                                   sentinels
//
// A cluster is recognised by itself; addr names more of its nodes, for when the first is
// away. With master_set all addresses are those of sentinels, who say where the master
// is; USER and PASSWORD are the master's, and sentinel_username and sentinel_password
// are parameters. The port is 6379 if there is none, also that of a sentinel. In
// passwords, all but letters and digits is written as %XX. Over TLS a server's certificate
// must be for the name by which it is asked, or for HOST if that is an address only.
//
// More parameters are those of rueidis.ParseURL: dial_timeout, write_timeout (the
// client's ConnWriteTimeout; 3s here if it is not given), client_name, client_cache,
// protocol, max_retries, skip_verify. What is not known is an error, and so is a value
// that is not.
func Open(ctx context.Context, url string, opts *Options) (*Store, error) {
	// Before the server is asked, as that may take long.
	o, err := checkOptions(opts)
	if err != nil {
		return nil, err
	}
	co, err := clientOption(url)
	if err != nil {
		return nil, err
	}
	if o.Cache && (co.DisableCache || co.AlwaysRESP2) {
		return nil, errors.New("redisstore: Options.Cache needs client-side caching: leave client_cache=0 and protocol=2 out of the URL")
	}
	// Without it a client would first try to cache, and fail, where Redis is too old or
	// something that speaks RESP2 only is in between.
	co.DisableCache = !o.Cache
	guard(&co)
	client, err := dial(ctx, co)
	if err != nil {
		return nil, err
	}
	s, err := New(ctx, client, opts)
	if err != nil {
		client.Close()
		return nil, err
	}
	s.owned = true
	return s, nil
}

// writeTimeout is how long a server may be silent, unless the URL says otherwise.
// rueidis's own 10 seconds are longer than any request waits.
const writeTimeout = 3 * time.Second

var parameters = []string{
	"addr", "db", "master_set", "sentinel_username", "sentinel_password", "dial_timeout", "write_timeout",
	"client_name", "client_cache", "protocol", "max_retries", "skip_verify",
}

// errURL does not say what is wrong: where a password has characters that should have
// been escaped, parts of it are in the wrong place, and in the parser's message.
var errURL = errors.New("redisstore: this URL is not understood; the form is\n  redis://USER:PASSWORD@HOST:PORT/DATABASE\n" +
	"(or rediss, or unix: see Open), and all but letters and digits in the password is written as %XX: %40 for @, %2F for /")

func clientOption(text string) (rueidis.ClientOption, error) {
	var none rueidis.ClientOption
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" || u.Fragment != "" || strings.Contains(u.Path, "@") {
		return none, errURL
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return none, errURL
	}
	if err := checkParameters(u, q); err != nil {
		return none, err
	}
	co, err := rueidis.ParseURL(text)
	if err != nil {
		return none, errURL
	}
	if u.Scheme == "unix" && u.Path == "" || u.Scheme != "unix" && u.Host == "" {
		return none, errURL
	}
	co.InitAddress = co.InitAddress[:1]
	for _, more := range q["addr"] {
		addr, ok := address(more)
		if !ok {
			return none, badParameter("addr")
		}
		co.InitAddress = append(co.InitAddress, addr)
	}
	co.Sentinel.Username, co.Sentinel.Password = q.Get("sentinel_username"), q.Get("sentinel_password")
	if co.TLSConfig != nil {
		co.DialCtxFn = dialNamed
		if co.Sentinel.MasterSet != "" {
			co.Sentinel.TLSConfig = co.TLSConfig
		}
	}
	if co.ConnWriteTimeout == 0 {
		co.ConnWriteTimeout = writeTimeout
	}
	return co, nil
}

// checkParameters finds what rueidis would pass over: a parameter that it does not know, or
// a value that it takes for none.
func checkParameters(u *url.URL, q url.Values) error {
	for name, values := range q {
		if !slices.Contains(parameters, name) {
			return fmt.Errorf("redisstore: the URL has a parameter that is not known: use %s", strings.Join(parameters, ", "))
		}
		value, ok := values[0], true
		switch name {
		case "addr":
			ok = u.Scheme != "unix"
		case "db":
			ok = u.Scheme == "unix" || strings.Trim(u.Path, "/") == ""
		case "dial_timeout", "write_timeout":
			d, err := time.ParseDuration(value)
			ok = err == nil && d > 0
		case "client_cache", "max_retries":
			ok = value == "0"
		case "protocol":
			ok = value == "2" || value == "3"
		case "skip_verify":
			ok = u.Scheme == "rediss" || u.Scheme == "valkeys"
		case "sentinel_username", "sentinel_password":
			ok = q.Get("master_set") != ""
		}
		if !ok || len(values) > 1 && name != "addr" {
			return badParameter(name)
		}
	}
	return nil
}

// badParameter does not say what was there: it may be a password in the wrong place.
func badParameter(name string) error {
	return fmt.Errorf("redisstore: the URL's parameter %s is not understood, is there twice, or does not fit the rest: "+
		"durations are positive, as in 3s; client_cache and max_retries can be 0, protocol 2 or 3; addr is HOST:PORT; "+
		"db is for a URL without /DATABASE, skip_verify for rediss, and sentinel_... go with master_set", name)
}

// address reads HOST:PORT, where the port may be missing. rueidis takes a host without one
// for the URL's own, once more.
func address(text string) (addr string, ok bool) {
	u, err := url.Parse("redis://" + text)
	if err != nil || u.User != nil || u.Host != text || u.Hostname() == "" {
		return "", false
	}
	if strings.Contains(u.Hostname(), ":") && text[0] != '[' {
		return "", false
	}
	return net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "6379")), true
}

// dialNamed is DialTCP, and asks each server for a certificate of the name by which it was
// dialled. rueidis has all of them show one for the URL's first host. That remains for
// addresses without a name, which are mostly what nodes say of each other.
func dialNamed(ctx context.Context, addr string, dialer *net.Dialer, config *tls.Config) (net.Conn, error) {
	if host, _, err := net.SplitHostPort(addr); err == nil && config != nil {
		if net.ParseIP(host) == nil || net.ParseIP(config.ServerName) != nil {
			config = config.Clone()
			config.ServerName = host
		}
	}
	return DialTCP(ctx, addr, dialer, config)
}

// dial makes a client, which rueidis does without a context.
func dial(ctx context.Context, co rueidis.ClientOption) (rueidis.Client, error) {
	type result struct {
		client rueidis.Client
		err    error
	}
	made := make(chan result, 1)
	go func() {
		client, err := rueidis.NewClient(co)
		made <- result{client, err}
	}()
	select {
	case r := <-made:
		if r.err != nil {
			return nil, failed("open", r.err)
		}
		return r.client, nil
	case <-ctx.Done():
		go func() {
			if r := <-made; r.err == nil {
				r.client.Close()
			}
		}()
		return nil, failed("open", fmt.Errorf("the server does not answer: %w", ctx.Err()))
	}
}
