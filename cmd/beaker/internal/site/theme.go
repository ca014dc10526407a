package site

import (
	"net/http"

	"github.com/seed12c5fab1/beaker"
)

var themeKey = beaker.NewKey[string]("theme")

type choice struct {
	Value, Name string
	Chosen      bool
}

func themes(chosen string) []choice {
	all := []choice{{Value: "", Name: "System"}, {Value: "light", Name: "Light"}, {Value: "dark", Name: "Dark"}}
	for i := range all {
		all[i].Chosen = all[i].Value == chosen
	}
	return all
}

func (s *Site) chooseTheme(w http.ResponseWriter, r *http.Request, sess *beaker.Session) error {
	theme := r.PostFormValue("theme")
	known := false
	for _, c := range themes(theme) {
		known = known || c.Chosen
	}
	switch {
	case !known || !r.PostForm.Has("theme"):
		return &problem{http.StatusBadRequest, "there is no such theme"}
	case theme == "":
		themeKey.Delete(sess)
	default:
		themeKey.Set(sess, theme)
	}
	goBack(w, r)
	return nil
}
