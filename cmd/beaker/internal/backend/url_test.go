// White-box, because how a URL is read shows elsewhere only with a server.
package backend

import (
	"strings"
	"testing"
)

func TestMySQLURLIsReadLikeAnyURL(t *testing.T) {
	t.Setenv("MYSQL_PWD", "from the environment")
	for spec, want := range map[string]struct{ user, password, addr, database string }{
		"mysql://u:p@h:1/d":                      {"u", "p", "h:1", "d"},
		"mariadb://u:p@h/d":                      {"u", "p", "h:3306", "d"},
		"mysql://u@[::1]/d":                      {"u", "from the environment", "[::1]:3306", "d"},
		"mysql://u:@h/d":                         {"u", "", "h:3306", "d"},
		"mysql:///d":                             {"", "from the environment", "localhost:3306", "d"},
		"mysql://u%40x:p%40%2F%3A%3F%23@h/a%2Fb": {"u@x", "p@/:?#", "h:3306", "a/b"},
		"mysql://u:p@h/d?tls=skip-verify":        {"u", "p", "h:3306", "d"},
	} {
		_, arg, _ := strings.Cut(spec, ":")
		c, place, err := mysqlConfig(request{spec: spec, arg: arg})
		if err != nil {
			t.Errorf("%s: %v", spec, err)
			continue
		}
		if c.User != want.user || c.Passwd != want.password || c.Addr != want.addr || c.DBName != want.database || c.Net != "tcp" {
			t.Errorf("%s: got %q %q %q %q", spec, c.User, c.Passwd, c.Addr, c.DBName)
		}
		if place != "MySQL at "+want.addr+", database "+want.database { // and no password
			t.Errorf("%s: it is said to be %s", spec, place)
		}
		if (c.TLSConfig == "skip-verify") != strings.Contains(spec, "tls=") {
			t.Errorf("%s: TLSConfig is %q", spec, c.TLSConfig)
		}
	}
}

func TestPostgreSQLURLMayLeaveThePasswordToTheEnvironment(t *testing.T) {
	t.Setenv("PGPASSWORD", "from the environment")
	t.Setenv("PGDATABASE", "")
	t.Setenv("PGPORT", "")
	for spec, want := range map[string]struct{ user, password, place string }{
		"postgres://u:p%40%2F@h:1/d":        {"u", "p@/", "PostgreSQL at h:1, database d"},
		"postgresql://u@[::1]/d":            {"u", "from the environment", "PostgreSQL at [::1]:5432, database d"},
		"postgres://u:p@h/?sslmode=disable": {"u", "p", "PostgreSQL at h:5432"},
	} {
		_, arg, _ := strings.Cut(spec, ":")
		c, place, err := postgresConfig(request{spec: spec, arg: arg})
		if err != nil {
			t.Errorf("%s: %v", spec, err)
			continue
		}
		if c.User != want.user || c.Password != want.password || place != want.place {
			t.Errorf("%s: got %q %q %q", spec, c.User, c.Password, place)
		}
	}
}

func TestRedisURLMayLeaveThePasswordToTheEnvironment(t *testing.T) {
	t.Setenv("REDISCLI_AUTH", "from/the@environment")
	for spec, want := range map[string]struct{ url, place string }{
		"redis://u:p%40%2F@h:1/2":          {"redis://u:p%40%2F@h:1/2", "Redis at h:1, database 2"},
		"redis://h":                        {"redis://:from%2Fthe%40environment@h", "Redis at h:6379"},
		"rediss://u@[::1]?addr=other:6379": {"rediss://u:from%2Fthe%40environment@[::1]?addr=other:6379", "Redis at [::1]:6379"},
		"redis://u:@h":                     {"redis://u:@h", "Redis at h:6379"},
	} {
		_, arg, _ := strings.Cut(spec, ":")
		u, place, err := redisURL(request{spec: spec, arg: arg})
		if err != nil {
			t.Errorf("%s: %v", spec, err)
			continue
		}
		if u != want.url || place != want.place {
			t.Errorf("%s: got %q %q", spec, u, place)
		}
	}
}
