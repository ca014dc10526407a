package main

import (
	"net/url"
	"path"
	"slices"
	"strings"
)

// links checks every link that leads to a file of this repository or to a heading.
func (c *checker) links() {
	byName := map[string]*document{}
	for _, d := range c.docs {
		byName[d.name] = d
	}
	for _, d := range c.docs {
		for _, t := range d.targets {
			u, err := url.Parse(t.text)
			switch {
			case err != nil || t.text == "":
				c.bad(d.name, t.line, "%q is no link", t.text)
				continue
			case u.Scheme == "http" || u.Scheme == "https":
				if u.Host == "" {
					c.bad(d.name, t.line, "%q names no host", t.text)
				}
				continue
			case u.Scheme != "" || u.Host != "" || strings.HasPrefix(u.Path, "/"):
				c.bad(d.name, t.line, "%q is neither relative nor http", t.text)
				continue
			}
			c.counts["links"]++
			target := d.name
			if u.Path != "" {
				target = path.Join(path.Dir(d.name), u.Path)
			}
			if !c.has(target) && !c.hasDir(target) {
				c.bad(d.name, t.line, "the link leads to %s, which is not there", target)
				continue
			}
			if u.Fragment == "" {
				continue
			}
			if to := byName[target]; to == nil || !slices.Contains(to.headings, u.Fragment) {
				c.bad(d.name, t.line, "%s has no heading #%s", target, u.Fragment)
			}
		}
	}
}
