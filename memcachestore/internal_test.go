// White-box: what is checked here would take another list of servers, another year, or a
// thousand sessions to see from outside.
package memcachestore

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/seed12c5fab1/beaker"
)

func TestSessionsAreSpreadOverAllServers(t *testing.T) {
	for n := 1; n <= 9; n++ {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprintf("cache%d", i))
		}
		servers, err := parseServers(list)
		if err != nil {
			t.Fatal(err)
		}
		s := newStore(memcache.NewFromSelector(servers), Options{Prefix: DefaultPrefix, Generation: "1"}, servers)
		counts := map[string]int{}
		const keys = 20_000
		for i := range keys {
			a, err := servers.PickServer(s.sessionKey(beaker.RecordKey{byte(i), byte(i >> 8), 0xa5, 31: byte(i * 7)}))
			if err != nil {
				t.Fatal(err)
			}
			counts[a.String()]++
		}
		for _, a := range servers {
			if share := float64(counts[a.String()]) * float64(n) / keys; share < 0.9 || share > 1.1 {
				t.Errorf("%d servers: %s has %.2f of its share", n, a, share)
			}
		}
	}
}

// The list counts and not its order; and no two lists look like one.
func TestFingerprintsOfLists(t *testing.T) {
	seen := map[string][]string{}
	for _, list := range [][]string{{"a"}, {"b"}, {"a", "b"}, {"a:1"}, {"a", "b", "c"}, {"a:11212"}, {"/a"}, {"ab"}, {"b", "c"}} {
		s, err := parseServers(list)
		if err != nil {
			t.Fatal(err)
		}
		f := s.fingerprint()
		if other, ok := seen[f]; ok {
			t.Errorf("%q and %q are taken for one", list, other)
		}
		seen[f] = list
	}
	for _, list := range [][]string{{"b", "a"}, {"B:11211", "a:11211"}} {
		s, err := parseServers(list)
		if err != nil {
			t.Fatal(err)
		}
		if same := seen[s.fingerprint()]; len(same) != 2 {
			t.Errorf("%q is not taken for a, b", list)
		}
	}
}

// Zero would mean never, and more than 30 days a date in 1970.
func TestExpirationIsNeverTooEarlyNorNever(t *testing.T) {
	const second, day = beaker.Millis(1000), beaker.Millis(24 * 60 * 60 * 1000)
	present := beaker.MillisOf(time.Now())
	for _, now := range []beaker.Millis{0, 1, present, present - 5000*day, present + 5000*day} {
		for _, tc := range []struct {
			left     beaker.Millis
			min, max int64 // in seconds from now; both -1: at once
		}{
			{-1000 * day, -1, -1},
			{-2 * 60 * second, -1, -1},
			{0, 1, 62},
			{1, 1, 62},
			{999, 1, 62},
			{second, 2, 63},
			{30 * 60 * second, 30 * 60, 30*60 + 62},
			{30*day - 100*second, 30*24*3600 - 100, 30*24*3600 - 38},
			{30 * day, 30 * 24 * 3600, 30*24*3600 + 63},
			{30*day + second, 30*24*3600 + 1, 30*24*3600 + 64},
			{400 * day, 400 * 24 * 3600, 400*24*3600 + 63},
			{1 << 50, 30 * 24 * 3600, math.MaxInt32},
		} {
			if now+tc.left < 0 || now > 1<<50 {
				continue
			}
			today := time.Now().Unix()
			got := int64(expiration(now+tc.left, now))
			switch {
			case got == 0 || got < -1:
				t.Errorf("now %d, left %d: %d", now, tc.left, got)
				continue
			case tc.max == -1 && got != -1:
				t.Errorf("now %d, left %d: %d, want at once", now, tc.left, got)
				continue
			case tc.max == -1:
				continue
			}
			lives := got // what memcached makes of it
			if got > 30*24*3600 {
				lives = got - today
			}
			if lives < tc.min || lives > tc.max+1 {
				t.Errorf("now %d, left %d ms: it is kept for %d s, want %d to %d", now, tc.left, lives, tc.min, tc.max)
			}
		}
	}
}

func TestRosterThatIsFullDropsWhoWouldEndFirst(t *testing.T) {
	const now = beaker.Millis(1_800_000_000_000)
	key := func(i int) beaker.RecordKey { return beaker.RecordKey{byte(i), byte(i >> 8), 1} }
	var r roster
	for i := range 50 {
		deadline := now + beaker.Millis(1000+i)
		if i == 20 {
			deadline = now + 1
		}
		r = roster{raw: r.with("user", key(i), deadline, now, 30)}
	}
	if n := len(r.entries()) / entryBytes; n != 30 {
		t.Errorf("it has %d entries, want 30", n)
	}
	if r.has(key(20)) || r.has(key(0)) || !r.has(key(49)) || !r.has(key(40)) {
		t.Error("it has dropped others than those who would have ended first")
	}
	// The same again takes no second place.
	again := roster{raw: r.with("user", key(49), now+5000, now, 30)}
	if n := len(again.entries()) / entryBytes; n != 30 || deadlineOf(again.entry(key(49))) != now+5000 {
		t.Errorf("%d entries", n)
	}
	// Who has ended long ago makes room, who has by a clock that is a little ahead does not.
	if r := (roster{raw: r.with("user", key(99), now+1, now+30*60_000, 30)}); len(r.entries())/entryBytes != 30 {
		t.Error("sessions went by a clock that is half an hour ahead")
	}
	if r := (roster{raw: r.with("user", key(99), now+1, now+2*3600_000, 30)}); len(r.entries())/entryBytes != 1 {
		t.Error("sessions that ended two hours ago are still there")
	}
}
