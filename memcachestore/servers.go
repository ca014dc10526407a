package memcachestore

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/bradfitz/gomemcache/memcache"
)

// defaultPort is the port of a server that is named without one.
const defaultPort = "11211"

// servers is a fixed list of servers. It differs from memcache.ServerList in three
// points: the order in which it was written does not matter, a name that cannot be
// looked up at the start is an error when it is used, and not a list that is shorter,
// and names are looked up anew for each connection, so that a server may move.
type servers []net.Addr

var _ memcache.ServerSelector = servers(nil)

// server is an address as the dialer takes it.
type server struct{ network, address string }

func (s *server) Network() string { return s.network }
func (s *server) String() string  { return s.address }

// parseServers reads a list: host, host:port, or the path of a Unix socket.
func parseServers(list []string) (servers, error) {
	var out servers
	var errs []error
	seen := map[string]bool{}
	for _, text := range list {
		s, err := parseServer(text)
		switch {
		case err != nil:
			errs = append(errs, err)
			continue
		case seen[s.address]:
			errs = append(errs, fmt.Errorf("memcachestore: the server %s is in the list twice", s.address))
			continue
		}
		seen[s.address] = true
		out = append(out, s)
	}
	if len(list) == 0 {
		errs = append(errs, errors.New("memcachestore: the list of servers is empty: name at least one, as host:port"))
	}
	slices.SortFunc(out, func(a, b net.Addr) int { return strings.Compare(a.String(), b.String()) })
	return out, errors.Join(errs...)
}

func parseServer(text string) (*server, error) {
	bad := fmt.Errorf("memcachestore: the server %.80q is not understood: write host:port, or the path of a Unix socket", text)
	if strings.Contains(text, "@") {
		// What is before it may be a password, which is not for errors.
		bad = errors.New("memcachestore: a server with an @ in its name is not understood: write host:port, or the path of a Unix socket, " +
			"and no password, which the client has no use for")
	}
	if strings.HasPrefix(text, "/") {
		return &server{"unix", text}, nil
	}
	host, port := text, defaultPort
	switch {
	case strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]"):
		host = text[1 : len(text)-1]
	case strings.Count(text, ":") == 1 || strings.HasPrefix(text, "["):
		var err error
		if host, port, err = net.SplitHostPort(text); err != nil {
			return nil, bad
		}
	}
	if _, err := netip.ParseAddr(host); err != nil && strings.Contains(host, ":") {
		return nil, bad // two ports, say
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || host == "" || strings.ContainsFunc(host, func(c rune) bool {
		return c <= ' ' || c == 0x7f || strings.ContainsRune("/@?#,[]", c)
	}) {
		return nil, bad
	}
	return &server{"tcp", net.JoinHostPort(strings.ToLower(host), strconv.FormatUint(n, 10))}, nil
}

// PickServer implements memcache.ServerSelector. A server that is down stays in the
// list: its sessions must not be looked for elsewhere.
func (s servers) PickServer(key string) (net.Addr, error) {
	if len(s) == 1 {
		return s[0], nil
	}
	// FNV-1a, which needs no buffer. Keys end in 64 digits of a hash, so any will do.
	h := uint32(2166136261)
	for i := range len(key) {
		h = (h ^ uint32(key[i])) * 16777619
	}
	return s[h%uint32(len(s))], nil
}

// Each implements memcache.ServerSelector.
func (s servers) Each(f func(net.Addr) error) error {
	for _, a := range s {
		if err := f(a); err != nil {
			return err
		}
	}
	return nil
}

// fingerprint goes into all keys beside the generation. With it, a list that was
// changed while the generation was not signs everybody out, which is the lesser evil.
func (s servers) fingerprint() string {
	h := sha256.New()
	for _, a := range s {
		fmt.Fprintf(h, "%s %s\n", a.Network(), a.String())
	}
	return hex.EncodeToString(h.Sum(nil)[:6])
}
