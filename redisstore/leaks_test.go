//go:build linux

package redisstore_test

import (
	"fmt"
	"testing"

	"github.com/seed12c5fab1/beaker/internal/leaktest"
	"github.com/seed12c5fab1/beaker/redisstore"
)

// Whatever sessions are driven over the server: nothing in it opens one, and no error
// holds a value.
func TestTheServerIsNoKeyRing(t *testing.T) {
	for _, cached := range []bool{false, true} {
		p := newPlace(t)
		leaktest.Store(t, p.store(t, redisstore.Options{Cache: cached}), func() ([]byte, error) {
			var all []byte
			keys, _ := p.redis(t, "KEYS", "*").([]any)
			for _, k := range keys {
				name := fmt.Sprint(k)
				all = fmt.Appendf(all, "%s\n", name)
				switch p.redis(t, "TYPE", name) {
				case "hash":
					all = fmt.Append(all, p.redis(t, "HGETALL", name), "\n")
				case "zset":
					all = fmt.Append(all, p.redis(t, "ZRANGE", name, "0", "-1", "WITHSCORES"), "\n")
				default:
					return nil, fmt.Errorf("the key %q is a %v", name, p.redis(t, "TYPE", name))
				}
			}
			return all, nil
		})
	}
}
