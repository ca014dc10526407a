package site

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/seed12c5fab1/beaker"
)

// MaxWait is the longest that a slow request waits.
const MaxWait = 10 * time.Second

// jsonKey reads and writes a value as the JSON that it is, so that 1.0 stays 1.0.
func jsonKey(name string) beaker.Key[json.RawMessage] { return beaker.NewKey[json.RawMessage](name) }

func (s *Site) apiGetValue(w http.ResponseWriter, r *http.Request, sess *beaker.Session) error {
	data, err := jsonKey(r.PathValue("key")).Lookup(sess)
	if err != nil {
		return &problem{http.StatusNotFound, "the session has no such value"}
	}
	writeJSON(w, http.StatusOK, map[string]any{"value": data})
	return nil
}

func (s *Site) apiSetValue(w http.ResponseWriter, r *http.Request, sess *beaker.Session) error {
	var data json.RawMessage
	if err := readJSON(r, &data); err != nil {
		return err
	}
	return setValue(w, sess, r.PathValue("key"), data)
}

func setValue(w http.ResponseWriter, sess *beaker.Session, name string, data json.RawMessage) error {
	jsonKey(name).Set(sess, data)
	if err := sess.Err(); err != nil {
		return err
	}
	// If it cannot be saved, which shows now, the client gets an error instead.
	writeJSON(w, http.StatusOK, map[string]any{"value": data})
	return nil
}

func (s *Site) apiDeleteValue(w http.ResponseWriter, r *http.Request, sess *beaker.Session) error {
	name := r.PathValue("key")
	had := sess.Has(name)
	sess.Delete(name)
	if err := sess.Err(); err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]any{"deleted": had})
	return nil
}

func (s *Site) apiIncrement(w http.ResponseWriter, r *http.Request, _ *beaker.Session) error {
	name := r.PathValue("key")
	var n int64
	err := s.sessions.Update(r.Context(), func(sess *beaker.Session) error {
		// A Key[int64] would report a value of another type to the operator. Here it is
		// the client who chooses types.
		if data, ok := jsonKey(name).Get(sess); !ok {
			n = 0
		} else if err := json.Unmarshal(data, &n); err != nil || string(data) == "null" || n == math.MaxInt64 {
			return &problem{http.StatusConflict, "the value is not an integer, or the largest there is"}
		}
		n++
		sess.Set(name, n)
		return nil
	})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]any{"value": n})
	return nil
}

func (s *Site) apiSlowRead(w http.ResponseWriter, r *http.Request, sess *beaker.Session) error {
	d, err := delay(r.URL.Query().Get("ms"))
	if err != nil {
		return err
	}
	if err := s.wait(r.Context(), d); err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, s.viewOf(r, sess))
	return nil
}

func (s *Site) apiSlowWrite(w http.ResponseWriter, r *http.Request, sess *beaker.Session) error {
	d, err := delay(r.URL.Query().Get("ms"))
	if err != nil {
		return err
	}
	// Before the wait: that the client has left shows only when its body is read.
	var data json.RawMessage
	if err := readJSON(r, &data); err != nil {
		return err
	}
	if err := s.wait(r.Context(), d); err != nil {
		return err
	}
	return setValue(w, sess, r.PathValue("key"), data)
}

// delay reads how long a slow request waits.
func delay(text string) (time.Duration, error) {
	const most = int(MaxWait / time.Millisecond)
	ms, err := strconv.Atoi(text)
	if err != nil || ms < 0 || ms > most {
		return 0, &problem{http.StatusBadRequest, fmt.Sprintf("ms must be milliseconds from 0 to %d, for example ?ms=3000", most)}
	}
	return time.Duration(ms) * time.Millisecond, nil
}
