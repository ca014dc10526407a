package site

import (
	"net/http"

	"github.com/seed12c5fab1/beaker"
)

// item is something to put into the cart.
type item struct {
	ID, Name string
	Count    int64
}

func catalogue() []item {
	return []item{
		{ID: "beaker", Name: "Beaker, 250 ml"},
		{ID: "flask", Name: "Conical flask"},
		{ID: "pipette", Name: "Pipette"},
		{ID: "tongs", Name: "Crucible tongs"},
	}
}

func find(id string) (item, bool) {
	for _, it := range catalogue() {
		if it.ID == id {
			return it, true
		}
	}
	return item{}, false
}

func (it item) key() beaker.Key[int64] { return beaker.NewKey[int64]("cart." + it.ID) }

// cart returns the catalogue with how many of each are in the cart.
func cart(sess *beaker.Session) (all []item, total int64) {
	all = catalogue()
	for i := range all {
		all[i].Count, _ = all[i].key().Get(sess)
		total += all[i].Count
	}
	return all, total
}

// mostOfOne keeps the number readable.
const mostOfOne = 99

func (s *Site) addItem(w http.ResponseWriter, r *http.Request, sess *beaker.Session) error {
	return s.changeCart(w, r, sess, +1, " is in your cart.")
}

func (s *Site) removeItem(w http.ResponseWriter, r *http.Request, sess *beaker.Session) error {
	return s.changeCart(w, r, sess, -1, " was taken out of your cart.")
}

func (s *Site) changeCart(w http.ResponseWriter, r *http.Request, sess *beaker.Session, by int64, said string) error {
	it, ok := find(r.PostFormValue("item"))
	if !ok {
		return &problem{http.StatusBadRequest, "there is no such item"}
	}
	// The message waits in the session and is saved by Update together with the count.
	sess.AddFlash(it.Name + said)
	key := it.key()
	err := s.sessions.Update(r.Context(), func(sess *beaker.Session) error {
		old, _ := key.Get(sess)
		n := min(max(old+by, 0), mostOfOne)
		if n == 0 {
			key.Delete(sess)
			return nil
		}
		key.Set(sess, n)
		return nil
	})
	if err != nil {
		return err
	}
	home(w, r)
	return nil
}
