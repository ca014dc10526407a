package site

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/seed12c5fab1/beaker"
)

// listedDevice is one session in "your devices".
type listedDevice struct {
	Handle beaker.Handle `json:"handle"`
	device
	SignedIn time.Time `json:"signed_in"`
	LastSeen time.Time `json:"last_seen"`
	Expires  time.Time `json:"expires"`
	Current  bool      `json:"current"`
}

func describe(info beaker.Info) listedDevice {
	d := listedDevice{
		Handle: info.Handle(), SignedIn: info.AuthenticatedAt(), LastSeen: info.LastAccessed(), Expires: info.ExpiresAt(),
	}
	d.device, _ = deviceKey.Get(info) // without it the row is still of use
	return d
}

// devices lists the visitor's sessions: the one in use first, then the latest used.
func (s *Site) devices(ctx context.Context, sess *beaker.Session) ([]listedDevice, error) {
	all := []listedDevice{} // in JSON an empty list, not null
	//demo:devices
	for info, err := range s.sessions.List(ctx, sess.Subject()) {
		if err != nil {
			return nil, err
		}
		d := describe(info)
		d.Current = info.Handle() == sess.Handle()
		all = append(all, d)
	}
	//demo:end
	slices.SortFunc(all, func(a, b listedDevice) int {
		if a.Current != b.Current {
			if a.Current {
				return -1
			}
			return 1
		}
		return cmp.Or(b.LastSeen.Compare(a.LastSeen), cmp.Compare(a.Handle.String(), b.Handle.String()))
	})
	return all, nil
}

// logOutDevice ends one of the visitor's sessions. With the visitor's own it does what
// signing out does, so that the browser forgets the cookie.
func (s *Site) logOutDevice(ctx context.Context, sess *beaker.Session, text string) (own bool, err error) {
	h, err := beaker.ParseHandle(text)
	if err != nil {
		return false, &problem{http.StatusBadRequest, "a handle is 64 hexadecimal digits in lower case"}
	}
	if sess.Subject() == "" {
		return false, errNotSignedIn
	}
	if h == sess.Handle() {
		return true, sess.Destroy(ctx)
	}
	//demo:devices
	// The handle comes from the client: RevokeOwn, not Revoke.
	err = s.sessions.RevokeOwn(ctx, sess.Subject(), h)
	//demo:end
	if errors.Is(err, beaker.ErrNotFound) {
		return false, &problem{http.StatusNotFound, "you have no such session; maybe it was signed out already"}
	}
	return false, err
}

// logOutOthers ends all of the visitor's sessions but the one in use.
func (s *Site) logOutOthers(ctx context.Context, sess *beaker.Session) (int, error) {
	if sess.Subject() == "" {
		return 0, errNotSignedIn
	}
	//demo:devices
	return s.sessions.RevokeAll(ctx, sess.Subject(), sess.Handle())
	//demo:end
}

type devicesPage struct {
	page
	Devices []listedDevice
	Unknown bool // they cannot be listed
	Revokes bool // they can be ended all at once
}

func (s *Site) devicesPage(w http.ResponseWriter, r *http.Request, sess *beaker.Session) error {
	p := devicesPage{page: s.open(r, sess, "devices"), Revokes: s.revokes}
	if p.Subject != "" {
		var err error
		p.Devices, err = s.devices(r.Context(), sess)
		if p.Unknown = errors.Is(err, errors.ErrUnsupported); err != nil && !p.Unknown {
			return err
		}
	}
	s.show(w, r, sess, "devices", &p.page, &p)
	return nil
}

func (s *Site) revokeDevice(w http.ResponseWriter, r *http.Request, sess *beaker.Session) error {
	own, err := s.logOutDevice(r.Context(), sess, r.PostFormValue("handle"))
	if err != nil {
		return err
	}
	if own {
		goodbye(w, r)
		return nil
	}
	sess.AddFlash("That device is signed out.")
	goTo(w, r, "/devices")
	return nil
}

func (s *Site) revokeOtherDevices(w http.ResponseWriter, r *http.Request, sess *beaker.Session) error {
	n, err := s.logOutOthers(r.Context(), sess)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("%d other devices are signed out.", n)
	switch {
	case s.sealed: // how many there were nobody knows
		text = "All other devices are signed out."
	case n == 1:
		text = "1 other device is signed out."
	}
	sess.AddFlash(text)
	goTo(w, r, "/devices")
	return nil
}
