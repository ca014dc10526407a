package site

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/seed12c5fab1/beaker"
)

// A race is two requests that overlap. Each writes a value of its own into the session,
// and with it what it saw there when it had loaded, so that the page can tell.

var (
	roundKey = beaker.NewKey[int64]("race.round")
	leftKey  = beaker.NewKey[leg]("race.left")
	rightKey = beaker.NewKey[leg]("race.right")
	lateKey  = beaker.NewKey[late]("race.late")
)

// leg is one of the two requests.
type leg struct {
	Round  int64     `json:"round"`
	Left   int64     `json:"saw_left"` // the rounds that were in the session when it had loaded
	Right  int64     `json:"saw_right"`
	Loaded time.Time `json:"loaded"`
	Wrote  time.Time `json:"wrote"`
}

// raceBegin begins a round, and a session if there is none: the two must share it.
func (s *Site) raceBegin(w http.ResponseWriter, r *http.Request, sess *beaker.Session) error {
	err := s.sessions.Update(r.Context(), func(sess *beaker.Session) error {
		n, _ := roundKey.Get(sess)
		roundKey.Set(sess, n+1)
		return nil
	})
	if err != nil {
		return err
	}
	n, _ := roundKey.Get(sess)
	writeJSON(w, http.StatusOK, map[string]any{"round": n})
	return nil
}

// raceLeg is one of the two requests.
func (s *Site) raceLeg(key beaker.Key[leg]) action {
	return func(w http.ResponseWriter, r *http.Request, sess *beaker.Session) error {
		round, err := strconv.ParseInt(r.PostFormValue("round"), 10, 64)
		if err != nil || round < 1 {
			return &problem{http.StatusBadRequest, "a round is a number from 1"}
		}
		left, _ := leftKey.Get(sess)
		right, _ := rightKey.Get(sess)
		l := leg{Round: round, Left: left.Round, Right: right.Round, Loaded: s.now()}
		if hold := holdOf(r.Context()); hold != nil {
			err = hold.stop(r.Context()) // until the other one has loaded, too
		} else {
			var d time.Duration
			if d, err = delay(r.PostFormValue("ms")); err == nil {
				err = s.wait(r.Context(), d)
			}
		}
		if err != nil {
			return err
		}
		l.Wrote = s.now()
		//demo:race
		// Nothing here knows of the other request. What is saved is this
		// one value, not the session as it was when it was loaded.
		key.Set(sess, l)
		//demo:end
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
}

// race runs both requests from inside, with the browser's cookie. It does not use the
// session itself.
func (s *Site) race(w http.ResponseWriter, r *http.Request) {
	v := &visitor{site: s, of: r, cookie: r.Header.Get("Cookie")}
	begun := v.send(http.MethodPost, "/race/begin", nil, nil)
	if begun.failed() {
		begun.replay(w)
		return
	}
	var round struct{ Round int64 }
	if err := json.Unmarshal(begun.body.Bytes(), &round); err != nil {
		s.fail(w, r, err)
		return
	}
	v.take(begun)

	form := url.Values{"round": {strconv.FormatInt(round.Round, 10)}}
	paths := [2]string{"/race/left", "/race/right"}
	var answers [2]*answer
	var holds [2]*hold
	var over [2]chan struct{}
	for i := range paths {
		holds[i], over[i] = newHold(), make(chan struct{})
		go func() {
			defer close(over[i])
			answers[i] = v.send(http.MethodPost, paths[i], form, holds[i])
		}()
	}
	for _, h := range holds {
		<-h.arrived
	}
	// Both have loaded. Now one after the other writes and is saved.
	for i, h := range holds {
		close(h.goOn)
		<-over[i]
	}
	for _, a := range answers {
		if a.failed() {
			a.replay(w)
			return
		}
		v.take(a)
	}
	for _, line := range v.set {
		w.Header().Add("Set-Cookie", line)
	}
	w.Header().Set("Cache-Control", "no-store")
	goTo(w, r, "/race#result")
}

// late is what became of a write that came after the sign-out.
type late struct {
	SignOut int  `json:"sign_out"` // status
	Write   int  `json:"write"`    // status
	Cookie  bool `json:"cookie"`   // the write was given one
	Back    bool `json:"back"`     // the session is there again
}

// raceLate runs a write and a sign-out that overlap, from inside and with a session of
// their own: the visitor stays signed in.
func (s *Site) raceLate(w http.ResponseWriter, r *http.Request, sess *beaker.Session) error {
	v := &visitor{site: s, of: r}
	begun := v.send(http.MethodPost, "/race/begin", nil, nil)
	v.take(begun)
	h, written := newHold(), make(chan *answer, 1)
	go func() { written <- v.send(http.MethodPost, "/race/left", url.Values{"round": {"1"}}, h) }()
	<-h.arrived
	out := v.send(http.MethodPost, "/sign-out", nil, nil)
	close(h.goOn)
	write := <-written
	after := v.send(http.MethodGet, "/api/session", nil, nil)
	if begun.failed() || out.failed() || after.failed() || write.status >= http.StatusInternalServerError {
		return &problem{http.StatusServiceUnavailable, "the session store does not answer; try again"}
	}
	var found struct{ Request struct{ Loaded bool } }
	if err := json.Unmarshal(after.body.Bytes(), &found); err != nil {
		return err
	}
	lateKey.Set(sess, late{SignOut: out.status, Write: write.status, Cookie: len(write.header["Set-Cookie"]) > 0, Back: found.Request.Loaded})
	goTo(w, r, "/race#late")
	return nil
}
