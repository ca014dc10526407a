package guide

import (
	"net/http"
	"time"

	"github.com/seed12c5fab1/beaker"
)

// progress is called while a stream is open.
func progress(r *http.Request, s *beaker.Session) error {
	//docs:begin persist
	s.Set("last-event", "17")
	if err := s.Persist(r.Context()); err != nil {
		return err // ended, or the store is down: nothing was saved
	}
	//docs:end persist
	return nil
}

func serverOf(sessions *beaker.Manager, mux *http.ServeMux) *http.Server {
	//docs:begin shutdown
	server := &http.Server{Handler: sessions.Wrap(mux), ReadHeaderTimeout: 10 * time.Second}
	server.RegisterOnShutdown(func() { _ = sessions.Close() })
	//docs:end shutdown
	return server
}
