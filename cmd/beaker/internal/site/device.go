package site

import (
	"cmp"
	"context"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"time"

	// Small, without requirements of its own, and good at the few browsers that people
	// have; User-Agent strings hardly change since browsers froze them. uap-go knows
	// thousands more, for a regular expression each.
	"github.com/mileusna/useragent"

	"github.com/seed12c5fab1/beaker"
)

// device is what a session remembers of where it was signed in: enough for its user
// to recognise it, and no more, because it is personal data.
type device struct {
	Browser string `json:"browser"`
	System  string `json:"system"`
	Network string `json:"network"` // not the whole address
}

// plainName is what may come out of a User-Agent, which says whatever its sender likes.
var plainName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9 ._/-]{0,30}$`)

func deviceOf(r *http.Request) device {
	ua := useragent.Parse(r.UserAgent())
	d := device{Browser: "unknown browser", System: "unknown system", Network: networkOf(r.RemoteAddr)}
	if plainName.MatchString(ua.Name) {
		d.Browser = ua.Name
	}
	if plainName.MatchString(ua.OS) {
		d.System = ua.OS
	}
	return d
}

// networkOf returns the part of an address that is usually one household's or one
// company's.
func networkOf(remote string) string {
	ap, err := netip.ParseAddrPort(remote)
	if err != nil {
		return "unknown network" // not TCP
	}
	bits := 48
	addr := ap.Addr().Unmap().WithZone("")
	if addr.Is4() {
		bits = 24
	}
	p, err := addr.Prefix(bits)
	if err != nil {
		return "unknown network"
	}
	return p.String()
}

// listedDevice is one session in "your devices".
type listedDevice struct {
	Handle beaker.Handle `json:"handle"`
	device
	SignedIn time.Time `json:"signed_in"`
	LastSeen time.Time `json:"last_seen"`
	Expires  time.Time `json:"expires"`
	Current  bool      `json:"current"`
}

// devices lists the visitor's sessions: the one in use first, then the latest used.
func (s *Site) devices(ctx context.Context, sess *beaker.Session) ([]listedDevice, error) {
	all := []listedDevice{} // in JSON an empty list, not null
	for info, err := range s.sessions.List(ctx, sess.Subject()) {
		if err != nil {
			return nil, err
		}
		d := listedDevice{
			Handle: info.Handle(), SignedIn: info.AuthenticatedAt(), LastSeen: info.LastAccessed(),
			Expires: info.ExpiresAt(), Current: info.Handle() == sess.Handle(),
		}
		d.device, _ = deviceKey.Get(info) // without it the row is still of use
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b listedDevice) int {
		if a.Current != b.Current {
			if a.Current {
				return -1
			}
			return 1
		}
		return cmp.Or(b.LastSeen.Compare(a.LastSeen), cmp.Compare(a.Handle.String(), b.Handle.String()))
	})
	return all, nil
}
