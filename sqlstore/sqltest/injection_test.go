package sqltest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/seed12c5fab1/beaker"
)

// hostile is what an engine may take for syntax, for a pattern, or for another spelling
// of the same.
var hostile = []string{
	"'", "''", `"`, "`", `\`, `\'`, `\\'`, `'"`, "';", "'--", "' OR '1'='1", "' OR 1=1 -- ", "x'; DROP TABLE %s; --", "x'); DELETE FROM %s; --", `"; DROP TABLE %s; --`,
	"' UNION SELECT * FROM %s --", "'; COMMIT; --", "'; SHUTDOWN; --", "/*", "*/", "/*!50000 x */", "--", "#", ";", "$1", "$$", "$tag$x$tag$", "?", ":name", "@name", "@@version",
	"%", "_", "a%", "a_", "%s", "%d", "%n", "{}", "{sessions}", "{columns}", "NULL", "null", "DEFAULT", "0", "1", "-1", "1e3", "0x61", "x'61'", `\x61`, `E'\x61'`, "true",
	"a", "A", "a ", " a", "a\u00a0", "á", "a\u0301", "ä", "ae", "ß", "ss", "ſ", "K", "\u212a", "i", "I", "\u0130", "\u0131", "σ", "ς", "ﬀ", "ff", "\u200b", "a\u200b", "\u202ea", "😀", "\U0010ffff",
	"¿'", "ʼ", "＇", "\u02bc OR 1=1", "縗'", // whose last byte is a backslash in some old encodings
	strings.Repeat("'", 255), strings.Repeat("é", 127), strings.Repeat("s", 255), strings.Repeat("s", 254),
}

// SQ-1: what is given as data stays data, in every call that takes some.
func TestInjection(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		p := newPlace(t, e)
		db := p.open(t)
		s := p.storeOn(t, db)
		ctx := t.Context()
		fill := func(text string) string { return strings.ReplaceAll(text, "%s", p.opts.Table) }
		recs := map[string]*beaker.Record{}
		for i, text := range hostile {
			m := newMeta()
			m.Subject, m.AuthenticatedAt = fill(text), epoch
			m.Cookie = &beaker.CookieAttributes{Path: "/'; DROP TABLE x; --"}
			rec := created(t, s, m, fill(text), fill(text), "other", fmt.Sprint(i))
			ch := changeOf(rec)
			ch.Base, ch.Set, ch.Remove = rec, values(fill(text)+"2", fill(text)), []string{"other", fill(text) + "3"}
			if i%2 == 0 {
				ch.Base = nil
			}
			if _, err := s.Apply(ctx, m.Key, ch); err != nil {
				t.Fatalf("Apply of %q: %v", text, err)
			}
			want, err := beaker.Merge(rec, ch)
			if err != nil {
				t.Fatal(err)
			}
			recs[m.Subject] = want
		}
		if len(recs) != len(hostile) {
			t.Fatalf("%d of %d texts are different", len(recs), len(hostile))
		}
		wantAll := func(what string) {
			t.Helper()
			for subject, want := range recs {
				page, next, err := s.List(ctx, beaker.ListQuery{Subject: subject})
				if err != nil || len(page) != 1 || next != "" || !sameRecord(want, page[0]) {
					t.Errorf("%s: List of %q: %d records, %v", what, subject, len(page), err)
				}
			}
			if n := count(t, db, p.quoted("")); n != len(recs) {
				t.Errorf("%s: the table has %d rows, want %d", what, n, len(recs))
			}
		}
		wantAll("after Create and Apply")
		for _, cursor := range hostile {
			if _, _, err := s.List(ctx, beaker.ListQuery{Cursor: fill(cursor)}); err == nil {
				t.Errorf("List with the cursor %q: no error", cursor)
			}
		}
		for i, text := range hostile {
			if i%3 > 0 {
				continue
			}
			subject := fill(text)
			if n, err := s.RevokeSubject(ctx, subject, epoch); n != 1 || err != nil {
				t.Errorf("RevokeSubject of %q: %d, %v; want 1", subject, n, err)
			}
			delete(recs, subject)
			m := newMeta()
			m.Subject, m.AuthenticatedAt = subject, epoch // no later than the revocation
			if err := s.Create(ctx, newRecord(t, m)); !oneOf(err, beaker.ErrRevoked) {
				t.Errorf("Create of %q after its revocation: %v", subject, err)
			}
		}
		wantAll("after RevokeSubject of a third")
		if n, err := s.Purge(ctx, epoch.Add(100*hour), 10_000); err != nil || n != len(recs) {
			t.Errorf("Purge: %d, %v; want %d", n, err, len(recs))
		}
		for _, suffix := range []string{"", "_revoked"} {
			if n := count(t, db, p.quoted(suffix)); n != 0 {
				t.Errorf("after Purge %d rows are left in %s", n, p.quoted(suffix))
			}
		}
	})
}
