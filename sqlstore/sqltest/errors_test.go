package sqltest

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	servers "github.com/seed12c5fab1/beaker/internal/engines"
	"github.com/seed12c5fab1/beaker/sqlstore"
)

// secret stands for passwords in the DSNs of these tests.
const secret = "s3cr3t-Pa55"

// mistake is something that people do wrong, and what they are told to do instead.
type mistake struct {
	name    string
	dialect sqlstore.Dialect
	driver  string
	dsn     string
	opts    sqlstore.Options
	want    string
}

// wantTold starts a store as people do and looks at the error.
func wantTold(t *testing.T, m mistake) {
	t.Helper()
	t.Run(m.name, func(t *testing.T) {
		db, err := sql.Open(m.driver, m.dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		_, nerr := sqlstore.New(t.Context(), db, m.dialect, &m.opts)
		merr := sqlstore.Migrate(t.Context(), db, m.dialect, &m.opts)
		for what, err := range map[string]error{"New": nerr, "Migrate": merr} {
			if err == nil {
				t.Errorf("%s: no error", what)
				continue
			}
			text := fmt.Sprintf("%v", err)
			t.Logf("%s: %s", what, text)
			if !strings.Contains(text, m.want) {
				t.Errorf("%s: %q does not say %q", what, text, m.want)
			}
			for _, printed := range []string{text, fmt.Sprintf("%+v %#v %q", err, err, err)} {
				if strings.Contains(printed, secret) || strings.Contains(printed, servers.PostgreSQLPassword) {
					t.Errorf("%s tells the secret: %s", what, printed)
				}
			}
		}
	})
}

func TestMistakesThatNeedNoServer(t *testing.T) {
	const (
		name = "check that the DSN has the server's name"
		runs = "check that the server runs and that the DSN has its address"
		form = "check the DSN"
		tls  = "check what the DSN says about TLS"
	)
	for _, m := range []mistake{
		{"PostgreSQL, nobody listens", sqlstore.PostgreSQL, "pgx", "postgres://u:" + secret + "@127.0.0.1:1/db?sslmode=disable", sqlstore.Options{}, runs},
		{"PostgreSQL, no such host", sqlstore.PostgreSQL, "pgx", "postgres://u:" + secret + "@nowhere.invalid/db?connect_timeout=5", sqlstore.Options{}, name},
		{"PostgreSQL, not a port", sqlstore.PostgreSQL, "pgx", "postgres://u:" + secret + "@127.0.0.1:port/db", sqlstore.Options{}, form},
		{"PostgreSQL, an open quote", sqlstore.PostgreSQL, "pgx", "host=127.0.0.1 password='" + secret + " port=x", sqlstore.Options{}, form},
		{"PostgreSQL, an unknown mode", sqlstore.PostgreSQL, "pgx", "postgres://u:" + secret + "@127.0.0.1/db?sslmode=" + secret, sqlstore.Options{}, tls},
		{"PostgreSQL, a slash in the password", sqlstore.PostgreSQL, "pgx", "postgres://u:12/" + secret + "@127.0.0.1/db", sqlstore.Options{}, name},
		{"PostgreSQL, an @ in the password", sqlstore.PostgreSQL, "pgx", "postgres://u:12@" + secret + "@127.0.0.1/db", sqlstore.Options{}, name},
		{"MariaDB, nobody listens", sqlstore.MySQL, "mysql", "u:" + secret + "@tcp(127.0.0.1:1)/db", sqlstore.Options{}, runs},
		{"MariaDB, no such host", sqlstore.MySQL, "mysql", "u:" + secret + "@tcp(nowhere.invalid:3306)/db?timeout=5s", sqlstore.Options{}, name},
		{"SQLite, no such folder", sqlstore.SQLite, "sqlite", "file:/dev/null/sessions.db?_pragma=busy_timeout(5000)&key=" + secret, sqlstore.Options{}, "check the path"},
		{"SQLite, another engine's dialect", sqlstore.PostgreSQL, "sqlite", sqlstore.SQLiteDSN(t.TempDir() + "/x.db"), sqlstore.Options{}, "this is what SQLite says"},
	} {
		wantTold(t, m)
	}
}

func TestMistakesWithPostgreSQL(t *testing.T) {
	p := newPlace(t, engines[1])
	db := p.open(t)
	for _, statement := range []string{
		"CREATE ROLE stranger LOGIN PASSWORD '" + secret + "'", // may connect, and no more
		"CREATE ROLE crowd LOGIN PASSWORD '" + secret + "' CONNECTION LIMIT 0",
	} {
		mustExec(t, db, statement)
	}
	t.Cleanup(func() {
		if _, err := db.ExecContext(background(), "DROP ROLE stranger, crowd"); err != nil {
			t.Error(err)
		}
	})
	with := func(edit func(u *url.URL)) string {
		u, err := url.Parse(p.source)
		if err != nil {
			t.Fatal(err)
		}
		edit(u)
		return u.String()
	}
	user := func(name, password string) string {
		return with(func(u *url.URL) { u.User = url.UserPassword(name, password) })
	}
	for _, m := range []mistake{
		{name: "wrong password", dsn: user("beaker", secret), want: "check the user and the password in the DSN"},
		{name: "no such user", dsn: user("nobody", secret), want: "check the user and the password in the DSN"},
		{name: "no such database", dsn: with(func(u *url.URL) { u.Path = "/missing" }), want: "CREATE DATABASE it, or correct the DSN"},
		{name: "no such schema", dsn: p.source, opts: sqlstore.Options{Schema: "missing"}, want: "missing"},
		{name: "no right", dsn: user("stranger", secret), opts: sqlstore.Options{Table: p.opts.Table, Schema: "public"}, want: "grant the database user"},
		{name: "too many connections", dsn: user("crowd", secret), want: "lower SetMaxOpenConns"},
		{name: "the server has no TLS", dsn: strings.Replace(p.source, "sslmode=disable", "sslmode=require", 1), want: "TLS"},
		{name: "an unknown setting", dsn: p.source + "&search_pat=x", want: "check the settings in the DSN"},
		{name: "the dialect of MySQL", dsn: p.source, dialect: sqlstore.MySQL, want: "this is what PostgreSQL says: give its dialect, or open the database with a driver for MySQL"},
		{name: "the dialect of SQLite", dsn: p.source, dialect: sqlstore.SQLite, want: "this is what PostgreSQL says"},
	} {
		if m.dialect == 0 {
			m.dialect = sqlstore.PostgreSQL
		}
		m.driver = "pgx"
		wantTold(t, m)
	}
}

func TestMistakesWithMariaDB(t *testing.T) {
	p := newPlace(t, engines[2])
	db := p.open(t)
	for _, statement := range []string{
		"CREATE USER stranger@'127.0.0.1' IDENTIFIED BY '" + secret + "'",
		"GRANT USAGE ON *.* TO stranger@'127.0.0.1'",
		"CREATE USER crowd@'127.0.0.1' IDENTIFIED BY '" + secret + "' WITH MAX_USER_CONNECTIONS 1",
	} {
		mustExec(t, db, statement)
	}
	t.Cleanup(func() {
		if _, err := db.ExecContext(background(), "DROP USER stranger@'127.0.0.1', crowd@'127.0.0.1'"); err != nil {
			t.Error(err)
		}
	})
	with := func(edit func(c *mysql.Config)) string {
		c, err := mysql.ParseDSN(p.source)
		if err != nil {
			t.Fatal(err)
		}
		edit(c)
		return c.FormatDSN()
	}
	user := func(name, password, database string) string {
		return with(func(c *mysql.Config) { c.User, c.Passwd, c.DBName = name, password, database })
	}
	// The first one stays, so that the second one is too many.
	held, err := sql.Open("mysql", user("crowd", secret, ""))
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if err := held.PingContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, m := range []mistake{
		{name: "wrong password", dsn: user("stranger", secret+"x", ""), want: "check the user and the password in the DSN"},
		{name: "no such user", dsn: user("nobody", secret, "mysql"), want: "check the user and the password in the DSN"},
		{name: "no such database", dsn: with(func(c *mysql.Config) { c.DBName = "missing" }), want: "CREATE DATABASE it, or correct the DSN"},
		{name: "no database", dsn: with(func(c *mysql.Config) { c.DBName = "" }), want: "name the database in the DSN"},
		{name: "no such schema", dsn: p.source, opts: sqlstore.Options{Schema: "missing"}, want: "missing"},
		{name: "no right", dsn: user("stranger", secret, ""), opts: sqlstore.Options{Table: p.opts.Table, Schema: "mysql"}, want: "grant the database user"},
		{name: "too many connections", dsn: user("crowd", secret, ""), want: "lower SetMaxOpenConns"},
		{name: "autocommit is off", dsn: p.source + "?autocommit=0", want: "autocommit is off"},
		{name: "the server has no TLS", dsn: p.source + "?tls=true", want: "TLS"},
		{name: "an unknown setting", dsn: p.source + "?no_such=1", want: "check the settings in the DSN"},
		{name: "the dialect of PostgreSQL", dsn: p.source, dialect: sqlstore.PostgreSQL, want: "this is what MySQL says: give its dialect"},
		{name: "the dialect of SQLite", dsn: p.source, dialect: sqlstore.SQLite, want: "this is what MySQL says"},
	} {
		if m.dialect == 0 {
			m.dialect = sqlstore.MySQL
		}
		m.driver = "mysql"
		wantTold(t, m)
	}
}

// The rights that the documentation names are enough, and without them a call says
// which are missing.
func TestRightsThatAreEnough(t *testing.T) {
	eachServer(t, func(t *testing.T, e engine) {
		p := newPlace(t, e)
		db := p.open(t)
		name := "clerk"
		source := strings.Replace(p.source, "root@", name+":"+secret+"@", 1)
		if e.dialect == sqlstore.PostgreSQL {
			mustExec(t, db, "CREATE ROLE clerk LOGIN PASSWORD '"+secret+"'")
			source = strings.Replace(p.source, "beaker:"+servers.PostgreSQLPassword+"@", "clerk:"+secret+"@", 1)
		} else {
			name = "clerk@'127.0.0.1'"
			mustExec(t, db, "CREATE USER "+name+" IDENTIFIED BY '"+secret+"'")
		}
		tables := []string{p.quoted(""), p.quoted("_meta"), p.quoted("_revoked")}
		change := func(verb, rights, word string) {
			t.Helper()
			for _, table := range tables {
				mustExec(t, db, fmt.Sprintf("%s %s ON %s %s %s", verb, rights, table, word, name))
			}
		}
		t.Cleanup(func() {
			drop := "DROP USER " + name
			if e.dialect == sqlstore.PostgreSQL {
				drop = "DROP OWNED BY clerk; DROP ROLE clerk"
			}
			for statement := range strings.SplitSeq(drop, "; ") {
				if _, err := db.ExecContext(context.Background(), statement); err != nil {
					t.Error(err)
				}
			}
		})
		change("GRANT", "SELECT, INSERT, UPDATE, DELETE", "TO")
		clerk := *p
		clerk.source = source
		theirs := clerk.open(t)
		if err := sqlstore.Migrate(t.Context(), theirs, e.dialect, &p.opts); err != nil {
			t.Errorf("Migrate with nothing to do: %v", err)
		}
		useAll(t, &clerk, theirs)
		s := clerk.storeOn(t, theirs)
		rec := created(t, s, newMeta())
		change("REVOKE", "DELETE", "FROM")
		if err := s.Delete(t.Context(), rec.Key()); err == nil || !strings.Contains(err.Error(), "grant the database user SELECT, INSERT, UPDATE and DELETE") {
			t.Errorf("Delete without the right: %v", err)
		}
		loaded(t, s, rec.Key())
	})
}
