package peer

import (
	"context"
	"crypto/rand"
	"io"
	"net/http"
	"strconv"

	"github.com/gorilla/sessions"

	"github.com/seed12c5fab1/beaker/bench/internal/contest"
)

const gorillaName = "session"

func randomKey(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: crypto/rand crashes the program instead
	return b
}

const noRotation = "cannot give a session a new id: sign-in keeps it, and a planted cookie works afterwards"

// GorillaCookie is gorilla's cookie store, encrypted with AES-256 and authenticated.
func GorillaCookie() *contest.Contender {
	return &contest.Contender{
		Store: "cookie", Name: "gorilla", Kind: contest.Peer, Note: noRotation,
		Lacks: map[contest.Scenario]string{contest.ReadLarge: "the session is too large for its cookie"},
		Open: func(context.Context, contest.Env) (contest.Player, error) {
			return gorillaSite(sessions.NewCookieStore(randomKey(32), randomKey(32))).Player(), nil
		},
	}
}

// GorillaFile is gorilla's file store: files are written in place and not synced.
func GorillaFile(reference string) *contest.Contender {
	return &contest.Contender{
		Store: "file", Name: "gorilla", Kind: contest.Peer, Floor: reference, Note: noRotation + "; writes in place, no sync",
		Open: func(_ context.Context, env contest.Env) (contest.Player, error) {
			dir, err := env.Dir()
			if err != nil {
				return nil, err
			}
			st := sessions.NewFilesystemStore(dir, randomKey(32))
			st.MaxLength(0) // its default refuses the large session
			st.Options.HttpOnly, st.Options.Secure, st.Options.SameSite = true, true, http.SameSiteLaxMode
			return gorillaSite(st).Player(), nil
		},
	}
}

func gorillaSite(st sessions.Store) *contest.Site {
	fail := func(w http.ResponseWriter, err error) { http.Error(w, err.Error(), http.StatusInternalServerError) }
	with := func(f func(w http.ResponseWriter, r *http.Request, s *sessions.Session)) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s, err := st.Get(r, gorillaName)
			if err != nil {
				fail(w, err)
				return
			}
			f(w, r, s)
		})
	}
	answer := func(w http.ResponseWriter, text string) { _, _ = io.WriteString(w, text) } //nolint:gosec // what a session holds here was written by the benchmark
	change := func(f func(s *sessions.Session)) http.Handler {
		return with(func(w http.ResponseWriter, r *http.Request, s *sessions.Session) {
			f(s)
			if err := s.Save(r, w); err != nil {
				fail(w, err)
				return
			}
			answer(w, contest.OK)
		})
	}
	create := func(more []string, signedIn bool) http.Handler {
		return change(func(s *sessions.Session) {
			if signedIn {
				s.Values[contest.KeyUID] = contest.UID
			}
			s.Values[contest.KeyN], s.Values[contest.KeyData] = contest.First, contest.Data
			for _, k := range more {
				s.Values[k] = contest.MoreValue
			}
		})
	}
	return &contest.Site{
		Untouched: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w, contest.OK) }),
		Read: with(func(w http.ResponseWriter, _ *http.Request, s *sessions.Session) {
			v, _ := s.Values[contest.KeyUID].(string)
			answer(w, v)
		}),
		Number: with(func(w http.ResponseWriter, _ *http.Request, s *sessions.Session) {
			v, _ := s.Values[contest.KeyN].(int)
			answer(w, strconv.Itoa(v))
		}),
		Increment: change(func(s *sessions.Session) {
			v, _ := s.Values[contest.KeyN].(int)
			s.Values[contest.KeyN] = v + 1
		}),
		Create:      create(nil, true),
		CreateLarge: create(contest.More, true),
		Anonymous:   create(nil, false),
		SignIn:      change(func(s *sessions.Session) { s.Values[contest.KeyUID] = contest.UID }),
		KeepsID:     true,
	}
}
