package floor

import (
	"encoding/json"
	"strconv"

	"github.com/seed12c5fab1/beaker/bench/internal/contest"
)

// JSON keeps each session in memory as one JSON object, which is decoded whole.
func JSON() *contest.Site { return site(&memTable{m: map[string]string{}}, jsonForm) }

var jsonForm = form{
	encode: func(pairs []pair) string {
		m := make(map[string]any, len(pairs))
		for _, p := range pairs {
			m[p.name] = p.value
			if p.name == contest.KeyN {
				m[p.name] = contest.First
			}
		}
		rec, _ := marshal(m) // strings and an integer
		return rec
	},
	find: func(rec, name string) (string, error) {
		m, err := unmarshal(rec)
		if err != nil {
			return "", err
		}
		switch v := m[name].(type) {
		case string:
			return v, nil
		case float64:
			return strconv.Itoa(int(v)), nil
		}
		return "", errNoSession
	},
	incremented: func(rec string) (string, error) {
		return changed(rec, func(m map[string]any) {
			n, _ := m[contest.KeyN].(float64)
			m[contest.KeyN] = n + 1
		})
	},
	signedIn: func(rec string) (string, error) {
		return changed(rec, func(m map[string]any) { m[contest.KeyUID] = contest.UID })
	},
}

func unmarshal(rec string) (m map[string]any, err error) {
	err = json.Unmarshal([]byte(rec), &m)
	return m, err
}

func marshal(m map[string]any) (string, error) {
	b, err := json.Marshal(m)
	return string(b), err
}

func changed(rec string, f func(map[string]any)) (string, error) {
	m, err := unmarshal(rec)
	if err != nil {
		return "", err
	}
	f(m)
	return marshal(m)
}
