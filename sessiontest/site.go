package sessiontest

import (
	"net/netip"
	"net/url"
	"strings"
)

// hostOf returns a URL's host in lower case, without port and brackets.
func hostOf(u *url.URL) string { return strings.ToLower(u.Hostname()) }

func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

// domainMatch is RFC 6265bis 5.1.3.
func domainMatch(host, domain string) bool {
	return host == domain || strings.HasSuffix(host, "."+domain) && !isAddress(host)
}

// pathMatch is RFC 6265bis 5.1.4.
func pathMatch(path, cookiePath string) bool {
	if !strings.HasPrefix(path, cookiePath) {
		return false
	}
	return len(path) == len(cookiePath) || strings.HasSuffix(cookiePath, "/") || path[len(cookiePath)] == '/'
}

// defaultPath is RFC 6265bis 5.1.4: the directory of the request's path.
func defaultPath(path string) string {
	if i := strings.LastIndexByte(path, '/'); i > 0 && path[0] == '/' {
		return path[:i]
	}
	return "/"
}

// lastLabel is the smallest rule for public suffixes: "com" is one, "co.uk" is not.
func lastLabel(domain string) string {
	if isAddress(domain) {
		return ""
	}
	return domain[strings.LastIndexByte(domain, '.')+1:]
}

// siteOf returns the site of an origin, which is its scheme and registrable domain
// (RFC 6265bis 5.2): https and http are not the same site.
func siteOf(u *url.URL, suffix func(string) string) string {
	host := hostOf(u)
	if isAddress(host) {
		return u.Scheme + "://" + host
	}
	public := suffix(host)
	if rest, ok := strings.CutSuffix(host, "."+public); ok {
		host = rest[strings.LastIndexByte(rest, '.')+1:] + "." + public
	}
	return u.Scheme + "://" + host
}

func originOf(u *url.URL) string { return u.Scheme + "://" + u.Host }

// isTrustworthy reports whether Secure cookies may be set from and sent to u. Chrome
// and Firefox trust loopback hosts, Safari does not.
func isTrustworthy(u *url.URL, safari bool) bool {
	switch u.Scheme {
	case "https", "wss":
		return true
	}
	if safari {
		return false
	}
	host := hostOf(u)
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}
