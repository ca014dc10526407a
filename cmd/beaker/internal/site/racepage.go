package site

import (
	"net/http"

	"github.com/seed12c5fab1/beaker"
)

type racePage struct {
	page
	Ran        bool
	Overlapped bool
	Survived   bool
	First      lane // who saved first
	Second     lane
	Rows       []raceRow
	Late       *late
}

// lane is one of the two requests, for the picture: 1000 units wide.
type lane struct {
	Name         string
	Loaded, Took string
	X, Width     int64
}

// raceRow is what left and right held at some time.
type raceRow struct {
	When        string
	Left, Right int64
	Lost        string // the name of what is lost there
	Ours        bool
}

func (s *Site) racePage(w http.ResponseWriter, r *http.Request, sess *beaker.Session) error {
	p := racePage{page: s.open(r, sess, "race")}
	if l, err := lateKey.Lookup(sess); err == nil {
		p.Late = &l
	}
	if left, right, ok := lastRound(sess); ok {
		p.describe(left, right)
	}
	s.show(w, r, sess, "race", &p.page, &p)
	return nil
}

// lastRound returns what the last race has left in the session.
func lastRound(sess *beaker.Session) (left, right leg, ok bool) {
	left, errLeft := leftKey.Lookup(sess)
	right, errRight := rightKey.Lookup(sess)
	return left, right, errLeft == nil || errRight == nil
}

// describe tells the last round from what the two have left in the session. One that
// is lost has left nothing, or what it wrote in an earlier round.
func (p *racePage) describe(left, right leg) {
	p.Ran = true
	round := max(left.Round, right.Round)
	p.Survived = left.Round == right.Round
	first, second := left, right
	firstName, secondName := "left", "right"
	if right.Wrote.Before(left.Wrote) {
		first, second, firstName, secondName = right, left, secondName, firstName
	}
	p.Overlapped = !p.Survived || second.Loaded.Before(first.Wrote)
	held := raceRow{When: "Both have loaded", Left: second.Left, Right: second.Right}
	set := func(row raceRow, when, name string) raceRow {
		row.When = when
		if name == "left" {
			row.Left = round
		} else {
			row.Right = round
		}
		return row
	}
	after := set(held, "The first has saved "+firstName, firstName)
	ours := raceRow{When: "The second has saved " + secondName, Left: left.Round, Right: right.Round, Ours: true}
	if !p.Survived {
		ours.Lost = firstName
	}
	p.Rows = []raceRow{held, after, ours}
	if !p.Survived {
		return
	}
	if p.Overlapped {
		whole := set(held, "The same, had the second saved the whole session", secondName)
		whole.Lost = firstName
		p.Rows = append(p.Rows, whole)
	}
	began := first.Loaded
	if second.Loaded.Before(began) {
		began = second.Loaded
	}
	all := max(second.Wrote.Sub(began), 1)
	draw := func(name string, l leg) lane {
		x, width := l.Loaded.Sub(began)*1000/all, l.Wrote.Sub(l.Loaded)*1000/all
		return lane{Name: name, Loaded: took(l.Loaded.Sub(began)), Took: took(l.Wrote.Sub(began)), X: int64(x), Width: int64(max(width, 1))}
	}
	p.First, p.Second = draw(firstName, first), draw(secondName, second)
}

// outagePage tells what happens without the store. It uses the session as any page does.
func (s *Site) outagePage(w http.ResponseWriter, r *http.Request, sess *beaker.Session) error {
	p := s.open(r, sess, "store-error")
	s.show(w, r, sess, "outage", &p, &p)
	return nil
}

// outage is the home page with the store taken away, for this request.
func (s *Site) outage(w http.ResponseWriter, r *http.Request) {
	tallyOf(r.Context()).setOutage()
	s.withSession(s.home)(w, r)
}

func outageOf(r *http.Request) bool { return tallyOf(r.Context()).isOutage() }
