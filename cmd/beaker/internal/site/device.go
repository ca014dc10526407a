package site

import (
	"net/http"
	"net/netip"
	"regexp"

	// Small, without requirements of its own, and good at the few browsers that people
	// have; User-Agent strings hardly change since browsers froze them. uap-go knows
	// thousands more, for a regular expression each.
	"github.com/mileusna/useragent"

	"github.com/seed12c5fab1/beaker"
)

// device is what a session remembers of where it was signed in: enough for its user
// to recognise it, and no more, because it is personal data.
type device struct {
	Kind    string `json:"kind"` // computer, phone, tablet or program
	Browser string `json:"browser"`
	System  string `json:"system"`
	Network string `json:"network"` // not the whole address
}

var deviceKey = beaker.NewKey[device]("device")

// plainName is what may come out of a User-Agent, which says whatever its sender likes.
var plainName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9 ._/-]{0,30}$`)

func deviceOf(r *http.Request) device {
	ua := useragent.Parse(r.UserAgent())
	d := device{Kind: "program", Browser: "unknown browser", System: "unknown system", Network: networkOf(r.RemoteAddr)}
	switch {
	case ua.Tablet:
		d.Kind = "tablet"
	case ua.Mobile:
		d.Kind = "phone"
	case ua.Desktop:
		d.Kind = "computer"
	}
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
