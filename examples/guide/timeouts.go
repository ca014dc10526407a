package guide

import (
	"net/http"
	"time"

	"github.com/seed12c5fab1/beaker"
)

// level sets the timeouts for a level of assurance.
func level(cfg *beaker.Config, name string) {
	switch name {
	case "aal1":
		//docs:begin aal1
		cfg.IdleTimeout = beaker.NoLimit
		cfg.AbsoluteTimeout = 30 * 24 * time.Hour
		//docs:end aal1
	case "aal2":
		//docs:begin aal2
		cfg.IdleTimeout = time.Hour
		cfg.AbsoluteTimeout = 24 * time.Hour
		//docs:end aal2
	case "aal3":
		//docs:begin aal3
		cfg.IdleTimeout = 15 * time.Minute
		cfg.AbsoluteTimeout = 12 * time.Hour
		//docs:end aal3
	}
}

func forAdministrators(s *beaker.Session, isAdministrator bool) {
	//docs:begin one
	if isAdministrator {
		s.SetIdleTimeout(5 * time.Minute)
		s.SetAbsoluteTimeout(4 * time.Hour)
	}
	//docs:end one
}

func poll(s *beaker.Session) {
	//docs:begin poll
	s.NoTouch() // asked by the page, not by the user
	//docs:end poll
}

func deadlines(w http.ResponseWriter, s *beaker.Session) {
	//docs:begin deadlines
	ends := s.AbsoluteDeadline()
	if idle := s.IdleDeadline(); !idle.IsZero() && idle.Before(ends) {
		ends = idle
	}
	w.Header().Set("Session-Ends", ends.UTC().Format(http.TimeFormat))
	//docs:end deadlines
}
