package site

import (
	"net/http"

	"github.com/seed12c5fab1/beaker"
)

// item is something to put into the cart.
type item struct {
	ID, Name string
	About    string
	Count    int64
}

func catalogue() []item {
	return []item{
		{ID: "beaker", Name: "Beaker", About: "250 ml, with a spout"},
		{ID: "flask", Name: "Conical flask", About: "500 ml, narrow neck"},
		{ID: "pipette", Name: "Pipette", About: "10 ml, graduated"},
		{ID: "tongs", Name: "Crucible tongs", About: "23 cm, steel"},
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

type cartPage struct {
	page
	Items []item
	Total int64
}

func (s *Site) cartPage(w http.ResponseWriter, r *http.Request, sess *beaker.Session) error {
	p := cartPage{page: s.open(r, sess, "cart")}
	p.Items, p.Total = cart(sess)
	s.show(w, r, sess, "cart", &p.page, &p)
	return nil
}

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
	key := it.key()
	//demo:cart
	// Each item is a value of its own: tabs do not undo each other.
	sess.AddFlash(it.Name + said)
	err := s.sessions.Update(r.Context(), func(sess *beaker.Session) error {
		n, _ := key.Get(sess)
		key.Set(sess, min(max(n+by, 0), mostOfOne))
		return nil
	})
	//demo:end
	if err != nil {
		return err
	}
	goTo(w, r, "/cart")
	return nil
}
