// Package beaker and not beaker_test: what a client sends goes through a whole request,
// what lies in a Revoker is read without one.
package beaker

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// hostileSite is a manager with one session, for FuzzCookieHeader.
type hostileSite struct {
	m     *Manager
	store *mapStore
	// cookies are genuine: alice's, bob's, and one of a session of alice's that has ended.
	cookies [3]string
}

// newHostileSites makes the same sites each time: the seeds hold their cookies.
func newHostileSites(tb testing.TB) (all []hostileSite) {
	tb.Helper()
	secrets, err := ParseSecrets("a:" + testKey("a"))
	if err != nil {
		tb.Fatal(err)
	}
	now := time.UnixMilli(1_772_355_600_000)
	for _, name := range []string{"sid", "__Host-session"} {
		for _, kind := range []string{"stored", "sealed", "signed"} {
			s := hostileSite{store: newMapStore()}
			cfg := Config{Store: s.store, Secrets: secrets, App: "app", Now: func() time.Time { return now }, PurgeInterval: -1, Observer: ObserverFunc(func(context.Context, Event) {})}
			cfg.Cookie.Name = name
			if kind != "stored" {
				cfg.Store, cfg.Sealed = nil, &Sealed{Revoker: s.store, SignOnly: kind == "signed"}
			}
			if s.m, err = New(cfg); err != nil {
				tb.Fatal(err)
			}
			for i, who := range []string{"alice", "bob", "alice"} {
				cred := testCredential()
				cred.sid[0] = byte(i)
				rec, err := NewRecord(Meta{
					Key: s.m.hash.recordKey(&cred.sid), Proof: s.m.hash.recordProof(&cred), Version: 1, Created: MillisOf(now) - 3_600_000, Touched: MillisOf(now),
					Idle: time.Hour, Absolute: MillisOf(now) + 3_600_000, Subject: who, AuthenticatedAt: MillisOf(now) - 3_600_000,
				}, nil)
				if err != nil {
					tb.Fatal(err)
				}
				ended := i == 2
				if kind == "stored" {
					if !ended {
						s.store.records[rec.key] = rec
					}
					s.cookies[i] = string(s.m.secure.tokens.issue(nil, &cred))
					continue
				}
				payload, err := encodePayload(&cred.sid, epoch{}, rec)
				if err != nil {
					tb.Fatal(err)
				}
				text, err := s.m.secure.sealer.seal(payload)
				if err == nil && ended {
					err = s.m.revoked.end(context.Background(), rec, MillisOf(now)-2*inFlight, markLogout)
				}
				if err != nil {
					tb.Fatal(err)
				}
				s.cookies[i] = string(text) // of a sealed session another one in each process
			}
			all = append(all, s)
		}
	}
	return all
}

// FuzzCookieHeader: whatever stands in the Cookie header, a read costs a few store calls
// at most and sends no cookie, and who has no genuine cookie is nobody. In the input,
// "\x01", "\x02" and "\x03" stand for the genuine cookies of each site.
//
//beaker:decodes Session.candidates Session.openSealed Session.cookies Session.loadTheLivingOne Session.livingSealed
func FuzzCookieHeader(f *testing.F) {
	o := countOutcomes(f)
	sites := newHostileSites(f)
	f.Fuzz(func(t *testing.T, header string) {
		for i := range sites {
			s := &sites[i]
			s.store.loads = 0
			text := strings.NewReplacer("\x01", s.cookies[0], "\x02", s.cookies[1], "\x03", s.cookies[2]).Replace(header)
			r := httptest.NewRequest(http.MethodGet, "https://example.com/", nil)
			r.Header["Cookie"] = strings.Split(text, "\n")
			has := func(i int) bool {
				return slices.ContainsFunc(r.CookiesNamed(s.m.cfg.Cookie.Name), func(c *http.Cookie) bool { return c.Value == s.cookies[i] && !c.Quoted })
			}
			w := httptest.NewRecorder()
			s.m.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				got, err := s.m.Get(r.Context())
				who := got.Subject()
				switch {
				case err != nil:
					t.Errorf("%v", err)
				case who == "alice" && has(0) && !has(1), who == "bob" && has(1) && !has(0):
					o.count(nil)
				case !got.IsNew() || who != "":
					t.Errorf("%q opens %q", text, who)
				default:
					o.count(ErrNotFound)
				}
			})).ServeHTTP(w, r)
			if len(w.Header()["Set-Cookie"]) != 0 || w.Code != http.StatusOK {
				t.Errorf("%q: %d %v", text, w.Code, w.Header())
			}
			if s.store.loads > 2*maxCandidates+2 {
				t.Errorf("%q: %d store calls", text, s.store.loads)
			}
		}
	})
}

// FuzzHostOf: the Host header decides whether a cookie goes out without Secure.
//
//beaker:decodes hostOf
func FuzzHostOf(f *testing.F) {
	o := countOutcomes(f)
	f.Fuzz(func(t *testing.T, hostport string) {
		got := hostOf(hostport)
		host, _, err := net.SplitHostPort(hostport)
		o.count(err)
		if err == nil && got != strings.ToLower(strings.Trim(host, "[]")) {
			t.Errorf("%q: %q, package net says %q", hostport, got, host)
		}
		if len(got) > 0 && !strings.Contains(strings.ToLower(hostport), got) {
			t.Errorf("%q has no %q", hostport, got)
		}
	})
}

// FuzzSubjectMark: what a Revoker's store returns for a subject. Whatever revokeSubject
// would not have written is an error and never "not revoked".
//
//beaker:decodes parseSubjectMark subjectMark.sparedAt subjectMark.spares revocations.load revocations.loadSubject
func FuzzSubjectMark(f *testing.F) {
	o := countOutcomes(f)
	secrets, err := ParseSecrets("a:" + testKey("a"))
	if err != nil {
		f.Fatal(err)
	}
	store := newMapStore()
	m, err := New(Config{Sealed: &Sealed{Revoker: store}, Secrets: secrets, App: "app", PurgeInterval: -1, Now: func() time.Time { return time.UnixMilli(markNow) }})
	if err != nil {
		f.Fatal(err)
	}
	key := m.revoked.key(labelSubject, "alice")
	f.Fuzz(func(t *testing.T, at, ep, except, more []byte) {
		values := []Value{{markAt, at}, {markEpoch, ep}, {markExcept, except}}
		if len(more) > 0 {
			values = append(values, Value{"more", more})
		}
		mark, err := NewRecord(Meta{Key: key, Proof: markLogout, Version: 1, Created: 1, Touched: 1, Idle: NoLimit, Absolute: markNow + 1}, values)
		if err != nil {
			t.Fatal(err)
		}
		clear(store.records)
		store.records[key] = mark
		rec := markedRecord(t)
		ok := len(more) == 0 && len(at) == 8 && len(ep) == 8 && !bytes.Equal(ep, make([]byte, 8)) && len(except)%40 == 0 &&
			binary.BigEndian.Uint64(at) <= uint64(maxMillis)
		_, err = m.revoked.check(t.Context(), rec, markedEpoch, Proof{})
		_, signErr := m.revoked.signIn(t.Context(), rec)
		o.count(err)
		if !ok {
			for _, err := range []error{err, signErr} {
				if !errors.Is(err, ErrCorrupt) || errors.Is(err, ErrNotFound) {
					t.Errorf("a damaged mark: %v", err)
				}
			}
			return
		}
		alive := bytes.Equal(ep, markedEpoch[:])
		for i, first := 0, true; i < len(except) && first; i += 40 {
			if bytes.Equal(except[i:i+32], rec.key[:]) {
				alive, first = alive || bytes.Equal(except[i+32:i+40], markedEpoch[:]), false
			}
		}
		if alive != (err == nil) || !alive && !errors.Is(err, ErrNotFound) {
			t.Errorf("alive: %v, check: %v", alive, err)
		}
		if late := Millis(binary.BigEndian.Uint64(at)) >= rec.authAt; late != errors.Is(signErr, ErrRevoked) || !late && signErr != nil {
			t.Errorf("revoked since: %v, signIn: %v", late, signErr)
		}
	})
}

func readHex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const markNow = 2_000_000

var markedEpoch = epoch{1, 2, 3, 4, 5, 6, 7, 8}

func markedRecord(tb testing.TB) *Record {
	tb.Helper()
	rec, err := NewRecord(Meta{
		Key: RecordKey{9, 31: 9}, Proof: Proof{1}, Version: 1, Created: 1, Touched: 1, Idle: time.Hour, Absolute: 1e7, Subject: "alice", AuthenticatedAt: 1000,
	}, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return rec
}

// writeHostileSeeds is writeSeeds for the targets of this file.
func writeHostileSeeds(t *testing.T, seed func(target, name string, args ...any)) {
	t.Helper()
	for name, header := range map[string]string{
		"sid": "sid=\x01", "host": "__Host-session=\x01", "both": "a=1; sid=\x01; __Host-session=\x01", "twice": "sid=\x01; sid=\x01", "lines": "a=1\nsid=\x01\nb=2",
		"quoted": `sid="` + "\x01" + `"`, "planted": "sid=x; sid=\x01", "longer": "sid=\x01A", "two": "sid=\x01; sid=\x02", "ended": "sid=\x03; sid=\x02", "host-two": "__Host-session=\x01; __Host-session=\x03",
		"five": "sid=1; sid=2; sid=3; sid=4; sid=\x01", "nothing": "", "bare": "sid",
	} {
		seed("FuzzCookieHeader", name, header)
	}
	for i, host := range []string{"example.com", "Example.COM:80", "[::1]:8080", "[::1]", "::1", "localhost:", ":80", "", "a:b:c", "[fe80::1%25eth0]:1", "[", "]", "[]:"} {
		seed("FuzzHostOf", "seed-"+string(rune('a'+i)), host)
	}
	at := binary.BigEndian.AppendUint64(nil, 1000)
	rec := markedRecord(t)
	spares := append(append(bytes.Clone(rec.key[:]), markedEpoch[:]...), make([]byte, 40)...)
	none := []byte{}
	seed("FuzzSubjectMark", "revoked", at, []byte{8, 0, 0, 0, 0, 0, 0, 0}, none, none)
	seed("FuzzSubjectMark", "same-epoch", at, markedEpoch[:], none, none)
	seed("FuzzSubjectMark", "spared", at, []byte{8, 0, 0, 0, 0, 0, 0, 0}, spares, none)
	seed("FuzzSubjectMark", "spared-in-another-epoch", at, []byte{8, 0, 0, 0, 0, 0, 0, 0}, append(bytes.Clone(rec.key[:]), 1, 1, 1, 1, 1, 1, 1, 1), none)
	seed("FuzzSubjectMark", "far-future", bytes.Repeat([]byte{0xff}, 8), markedEpoch[:], none, none)
	seed("FuzzSubjectMark", "zero-epoch", at, make([]byte, 8), none, none)
	seed("FuzzSubjectMark", "cut", at[:7], markedEpoch[:], none, none)
	seed("FuzzSubjectMark", "half-a-key", at, markedEpoch[:], spares[:39], none)
	seed("FuzzSubjectMark", "a-value-more", at, markedEpoch[:], none, []byte("x"))

	for _, s := range readGoldenSessions(t).Sessions {
		payload := readHex(t, s.Payload)
		name := "golden-" + strings.ReplaceAll(s.Name, " ", "-")
		seed("FuzzPayload", name, payload)
		seed("FuzzPayload", name+"-cut", payload[:len(payload)-1])
		seed("FuzzOpenSealed", name, s.Sealed)
		seed("FuzzOpenSealed", name+"-signed", s.Signed)
	}
	seed("FuzzPayload", "nothing", []byte{})
	seed("FuzzPayload", "later", []byte{payloadVersion + 1, 2, 3})
}
