package main // run is the whole program; there is nothing to import

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// good is a repository whose documents are true; each case below breaks one thing.
func good() map[string]string {
	return map[string]string{
		"go.mod":   "module example.com/m\n\ngo 1.25.0\n",
		"Makefile": "test: ## all\n\tgo test\n",
		"m.go": "// Package m does. See [Config], [Config.Name] and [http.Handler].\npackage m\n\nimport (\n\t\"errors\"\n\t\"net/http\"\n)\n\n" +
			"// Config is.\ntype Config struct{ Name string }\n\n// Do does.\nfunc (Config) Do() *Config { return nil }\n\nvar _ http.Handler\n\n" +
			"// ErrX is.\nvar ErrX = errors.New(\"m: it is x\")\n\n// BadError is.\ntype BadError struct{}\n\nfunc (*BadError) Error() string { return \"\" }\n\n" +
			"// Two is two.\nfunc Two() int { return 2 }\n",
		"eg/one/main.go": "// Command one is.\npackage main\n\nimport \"example.com/m\"\n\nfunc main() { println(sum()) }\n\n" +
			"//docs:begin both\nfunc sum() int {\n\t//docs:begin sum\n\tn := m.Two()\n\t//docs:begin inner\n\tn++\n\t//docs:end inner\n\n\tn--\n\t//docs:end sum\n\treturn n\n}\n\n" +
			"//docs:begin never\nfunc never() int { return m.Two() }\n\n//docs:end never\n//docs:end both\n\n" +
			"func later() func() int {\n\t//docs:begin handler\n\treturn func() int { return 1 }\n\t//docs:end handler\n}\n",
		"eg/one/main_test.go":    "package main\n\nimport \"testing\"\n\nfunc TestSum(t *testing.T) {\n\tlater()\n\t//docs:begin test\n\tif sum() != 2 {\n\t\tt.Error()\n\t}\n\t//docs:end test\n}\n\nfunc unused() {\n\t//docs:begin unused\n\tsum()\n\t//docs:end unused\n}\n\nvar served = \"app.js\"\n",
		"eg/one/app.js":          "let x = 1\n",
		"eg/one/orphan.js":       "let y = 1\n",
		"eg/two/two.go":          "// Package two has no test.\npackage two\n\nfunc F() int {\n\t//docs:begin f\n\treturn 2\n\t//docs:end f\n}\n",
		"docs/errors.md":         "# Errors\n\n### `ErrX`\n\nIts text is `m: it is x`. It means that something was x.\n\n### BadError\n\nIt means that something is not good.\n",
		"docs/above.md":          "# Above\n\n```go\npackage main\n\nfunc main() { println(1) }\n```\n\n<!-- run: here main.go=above -->\n```sh\ngo mod init example.com/app\ngo vet\n```\n",
		"docs/first.md":          "# First\n\n<!-- run: here main.go=eg/hello.txt -->\n```sh\ngo mod init example.com/app   # a comment\ngo run .\n```\n",
		"eg/hello.txt":           "package main\n\nimport \"net/http\"\n\nfunc main() {\n\tpanic(http.ListenAndServe(\"localhost:8080\", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {})))\n}\n",
		"testdata/not/a/page.md": "[broken](nowhere.md)\n",
		"README.md": `# Read me

See [errors](docs/errors.md#errx), [below](#a-b--c-1), [the folder](docs), [the web](https://example.com/x). Use ` + "`m.Config.Name`, `Config.Do`, `Two`, `TestSum`, `make test`, `session['x']`, `a_b.c`, `GET`, `/Path/To`" + `.

<!-- names: encoding/gob mux=net/http.ServeMux -->
The other library has ` + "`Decoder`, `mux.Handle`" + `.

## A, B & C

## A B  C

<!-- example: eg/one/main.go#sum -->
` + "```go\nn := m.Two()\nn++\n\nn--\n```" + `

<!-- example: eg/one/main.go#inner eg/one/main_test.go#test -->
` + "```go\nn++\n\nif sum() != 2 {\n\tt.Error()\n}\n```" + `

<!-- example: eg/one/app.js -->
` + "```js\nlet x = 1\n```" + `

` + "```go\npackage main\n\nimport \"example.com/m\"\n\nfunc main() { println(m.Two()) }\n```" + `

` + "```json\n{\"a\": 1}\n```\n\n```text\nanything\n```" + `

` + "```console\n$ make test\nok\n```" + `

<!-- run-by: eg/one/main_test.go#TestSum -->
` + "```sh\nsum --all\n```" + `

1. In a list, what is indented goes on with it:

   ` + "```text\n   x\n   ```" + `

    as here.
`,
	}
}

func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("GOWORK", "off")
	return dir
}

func TestGoodDocumentsPass(t *testing.T) {
	var out strings.Builder
	if code := run(t.Context(), &out, write(t, good()), false); code != 0 {
		t.Fatalf("exit code %d\n%s", code, out.String())
	}
	// Each kind of check has looked at something.
	want := "4 documents: 3 copied from tested files, 2 run as they stand, 7 commands, 2 commands that nothing runs, 3 links, 13 names, 2 errors explained\n"
	if out.String() != want {
		t.Errorf("it says %q, want %q", out.String(), want)
	}
}

// change is one thing that is wrong.
type change struct {
	desc, file, from, to string
	want                 string // part of a problem
}

func (ch change) apply(t *testing.T) map[string]string {
	t.Helper()
	files := good()
	if ch.from == "" {
		files[ch.file] += ch.to
		return files
	}
	if strings.Count(files[ch.file], ch.from) == 0 {
		t.Fatalf("%s does not hold %q", ch.file, ch.from)
	}
	files[ch.file] = strings.Replace(files[ch.file], ch.from, ch.to, 1)
	return files
}

// What does not need the go command for each case.
func TestEachUntruthIsFound(t *testing.T) {
	c, err := newChecker(t.Context(), write(t, good()))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.examples(false); err != nil {
		t.Fatal(err)
	}
	types, err := c.load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, ch := range []change{
		{"code that was changed in the file", "eg/one/main.go", "n--", "n -= 1", `README.md:13: is not what stands in eg/one/main.go#sum (line 4: "n--", there "n -= 1"): run make docs`},
		{"code that was changed in the document", "README.md", "\nn--", "\n\n\nn--", "is not what stands in eg/one/main.go#sum"},
		{"a region that is not there", "README.md", "#sum", "#gone", `there is no region "gone"`},
		{"a region that does not end", "eg/one/main.go", "//docs:end sum", "", `region "sum" does not end`},
		{"a region that begins twice", "eg/one/main.go", "//docs:begin inner", "//docs:begin sum", `region "sum" begins twice`},
		{"a region without a beginning", "eg/one/main.go", "//docs:begin sum", "", `region "sum" ends before it begins`},
		{"an empty region", "eg/one/main.go", "\tn++\n", "", `region "inner" is empty`},
		{"a file that is not there", "README.md", "eg/one/app.js", "eg/one/app.ts", "there is no file eg/one/app.ts"},
		{"a marker without a block", "README.md", "<!-- example: eg/one/app.js -->\n", "<!-- example: eg/one/app.js -->\n\n", "the comment is about no block"},
		{"a misspelt marker", "README.md", "<!-- example: eg/one/app.js", "<!-- examples: eg/one/app.js", "the comment is about no block"},

		{"a link to nothing", "README.md", "docs/errors.md#errx", "docs/error.md", "README.md:3: the link leads to docs/error.md"},
		{"a link to no heading", "README.md", "#errx", "#erry", "docs/errors.md has no heading #erry"},
		{"a link to no heading here", "README.md", "(#a-b--c-1)", "(#a-b-c)", "README.md has no heading #a-b-c"},
		{"an absolute link", "README.md", "(docs)", "(/docs)", "neither relative nor http"},
		{"a link definition", "README.md", "", "\n[x]: gone.md\n", "the link leads to gone.md"},
		{"an empty link", "README.md", "(docs)", "()", "is no link"},

		{"Go that nothing runs", "README.md", "```text\nanything", "```go\nn := m.Two()", "README.md:46: no test runs this block"},
		{"Go that nothing runs, in a list", "README.md", "   ```text\n", "   ```go\n", "README.md:62: no test runs this block"},
		{"Go that is copied from nowhere", "README.md", "<!-- example: eg/one/main.go#sum -->\n", "", "README.md:12: no test runs this block"},
		{"Go without a main", "README.md", "package main\n\nimport", "package mine\n\nimport", "no test runs this block"},
		{"code that is only indented", "README.md", "1. In a list", "In no list", "README.md:66: code that is indented"},
		{"code that is indented with a tab", "README.md", "", "\nNo list.\n\n\tn := m.Two()\n", "code that is indented"},
		{"JSON that is none", "README.md", `{"a": 1}`, `{"a": 1,}`, "is not JSON"},
		{"a block without a language", "README.md", "```text\n", "```\n", "does not say what it is"},
		{"a block of an unknown language", "README.md", "```text\n", "```golang\n", `"golang" are not known`},
		{"a script that nothing tests", "README.md", "<!-- example: eg/one/app.js -->\n", "", "nothing tests this block"},

		{"a field that is not there", "README.md", "m.Config.Name", "m.Config.Names", "README.md:3: m.Config.Names does not exist"},
		{"a method that is not there", "README.md", "Config.Do", "Config.Undo", "Config.Undo does not exist"},
		{"a test that is not there, by name", "README.md", "`TestSum`", "`TestSums`", "TestSums does not exist"},
		{"a word that is not there", "README.md", "`Two`", "`Three`", "Three does not exist"},
		{"a method of a package that is not there", "README.md", "`Two`", "`http.ListenAndPray(x)`", "http.ListenAndPray does not exist"},
		{"something exported of what nobody knows", "README.md", "a_b.c", "a_b.Cd", "a_b.Cd does not exist"},
		{"what no other library has", "README.md", "`Decoder`", "`Decorder`", "Decorder does not exist"},
		{"what a variable of another library does not have", "README.md", "`mux.Handle`", "`mux.Handel`", "mux.Handel does not exist"},
		{"another library that is not named", "README.md", "<!-- names: encoding/gob mux", "<!-- names: mux", "Decoder does not exist"},
		{"a comment that links to nothing", "m.go", "[Config.Name]", "[Config.Names]", "m.go:1: the link [Config.Names]"},
		{"a comment that links to another package's nothing", "m.go", "[http.Handler]", "[http.Handlers]", "the link [http.Handlers]"},

		{"an error without an entry", "docs/errors.md", "### `ErrX`", "### X", "ErrX has no entry"},
		{"an error type without an entry", "docs/errors.md", "### BadError", "### Bad", "BadError has no entry"},
		{"an entry that quotes another text", "docs/errors.md", "m: it is x", "m: it is y", "does not quote"},
		{"an entry that says nothing", "docs/errors.md", "It means that something is not good.", "Bad.", "the entry says nothing"},
		{"an entry for what is no error", "docs/errors.md", "", "\n### ErrY\n\nIt means that something was y.\n", "there is no error ErrY"},

		{"a command that nothing runs", "README.md", "$ make test", "$ rm -r x", `README.md:51: nothing runs the command "rm -r x"`},
		{"a target that is not there", "README.md", "$ make test", "$ make tests", `no target "tests"`},
		{"a target that is not there, in a line", "README.md", "`make test`", "`make coffee`", `no target "coffee"`},
		{"a package that is not there", "README.md", "$ make test", "$ go test ./gone/...", "there is no package ./gone/..."},
		{"a test that is not there, to be run", "README.md", "$ make test", "$ X=1 go test -run 'Sum|Product' ./eg/one", `./eg/one has nothing for Test "Product"`},
		{"a benchmark that is not there", "README.md", "$ make test", "$ go test -run '^$' -bench . ./eg/one", `./eg/one has nothing for Benchmark "."`},
		{"a program that is not there, in a line", "README.md", "`make test`", "`go run ./eg/three -v`", "there is no program ./eg/three"},
		{"a test that is not there, in a line", "README.md", "`make test`", "`go test -run=x ./none`", "there is no package ./none"},
		{"a test that is not there", "README.md", "#TestSum", "#TestProduct", "has no test TestProduct"},
		{"a file with tests that is not there", "README.md", "main_test.go#TestSum", "none_test.go#TestSum", "is not the name of a test"},
		{"a block without a command", "README.md", "$ make test", "make test", "no command is in the block"},
		{"a command of another page", "README.md", "$ make test", "$ curl x", `nothing runs the command "curl x"`},
	} {
		t.Run(ch.desc, func(t *testing.T) {
			files := ch.apply(t)
			delete(files, "docs/first.md") // their commands run the go command
			delete(files, "docs/above.md")
			c, err := newChecker(t.Context(), write(t, files))
			if err != nil {
				t.Fatal(err)
			}
			if err := c.examples(false); err != nil {
				t.Fatal(err)
			}
			c.links()
			c.plain()
			for path, l := range types.listed {
				there := *l
				there.Dir = filepath.Join(c.root, strings.TrimPrefix(path+"/", "example.com/m/"))
				types.listed[path] = &there
			}
			c.names(types)
			c.comments(types)
			c.errorPages(types)
			if err := c.runCommands(t.Context()); err != nil {
				t.Fatal(err)
			}
			wantProblem(t, c, ch.want)
		})
	}
}

func wantProblem(t *testing.T, c *checker, want string) {
	t.Helper()
	found := false
	for _, p := range c.problems {
		found = found || strings.Contains(p.String(), want)
	}
	if !found {
		t.Errorf("no problem says %q; found are %q", want, c.problems)
	}
}

func TestCodeThatWasNotRunIsFound(t *testing.T) {
	eachIsFound(t, (*checker).programs, []change{
		{"a program that does not compile", "README.md", "println(m.Two())", "println(m.Three())", "README.md:34: the program does not compile"},
		{"a program that fails", "README.md", "println(m.Two())", "panic(m.Two())", "README.md:34: the program does not run"},
	})
	eachIsFound(t, (*checker).executed, []change{
		{"a function that no test calls", "README.md", "", "\n<!-- example: eg/one/main.go#never -->\n```go\nfunc never() int { return m.Two() }\n```\n", "no test runs eg/one/main.go#never"},
		{"a function that no test calls, beside one that it does", "README.md", "", "\n<!-- example: eg/one/main.go#both -->\n```go\nfunc sum() int {\n\tn := m.Two()\n\tn++\n\n\tn--\n\treturn n\n}\n\nfunc never() int { return m.Two() }\n```\n", "no test runs never in eg/one/main.go#both (line 22)"},
		{"a part of a function that no test reaches", "README.md", "", "\n<!-- example: eg/one/main.go#handler -->\n```go\nreturn func() int { return 1 }\n```\n", "no test runs a function in eg/one/main.go#handler"},
		{"an example that is only compiled", "eg/one/main_test.go", "func TestSum(t *testing.T) {", "func ExampleSum() {\n\tvar t testing.T", "go test does not run ExampleSum"},
		{"a helper that no test calls", "README.md", "", "\n<!-- example: eg/one/main_test.go#unused -->\n```go\nsum()\n```\n", "no test calls unused"},
		{"a package without a test", "README.md", "", "\n<!-- example: eg/two/two.go#f -->\n```go\nreturn 2\n```\n", "no test runs eg/two/two.go#f"},
		{"a script that no test names", "README.md", "", "\n<!-- example: eg/one/orphan.js -->\n```js\nlet y = 1\n```\n", "no test names eg/one/orphan.js"},
	})
	eachIsFound(t, (*checker).runCommands, []change{
		{"a command that fails", "docs/first.md", "go mod init", "go mod inits", "docs/first.md:4: the commands fail"},
		{"a program of commands that does not answer", "eg/hello.txt", "func main() {\n", "func main() {\n\treturn\n", "docs/first.md:4: it ended before it answered"},
		{"a server that is in error", "eg/hello.txt", "r *http.Request) {", "r *http.Request) { w.WriteHeader(500)", "GET / answers 500"},
		{"a program above that is not there", "docs/above.md", "func main", "func mine", "does not name a file"},
		{"a file for commands that is not there", "docs/first.md", "eg/hello.txt", "eg/bye.txt", "does not name a file"},
	})
}

func eachIsFound(t *testing.T, step func(*checker, context.Context) error, changes []change) {
	t.Helper()
	for _, ch := range changes {
		t.Run(ch.desc, func(t *testing.T) {
			c, err := newChecker(t.Context(), write(t, ch.apply(t)))
			if err != nil {
				t.Fatal(err)
			}
			if err := c.examples(false); err != nil {
				t.Fatal(err)
			}
			if err := step(c, t.Context()); err != nil {
				t.Fatal(err)
			}
			wantProblem(t, c, ch.want)
		})
	}
}

func TestExamplesWhoseTestsFailAreAnError(t *testing.T) {
	var out strings.Builder
	files := change{"", "eg/one/main_test.go", "sum() != 2", "sum() != 3", ""}.apply(t)
	files["README.md"] = strings.ReplaceAll(files["README.md"], "sum() != 2", "sum() != 3")
	if code := run(t.Context(), &out, write(t, files), false); code != 2 || !strings.Contains(out.String(), "the examples' tests fail") {
		t.Errorf("exit code %d\n%s", code, out.String())
	}
}

func TestWriteBringsTheDocumentsUpToDate(t *testing.T) {
	files := change{"", "eg/one/main.go", "n--", "n -= 1\n\tn += 0", ""}.apply(t)
	files["README.md"] += "\n1. In a list:\n\n   <!-- example: eg/one/main.go#sum -->\n   ```go\n   ```\n\nEnd.\n"
	dir := write(t, files)
	var out strings.Builder
	if code := run(t.Context(), &out, dir, true); code != 0 {
		t.Fatalf("exit code %d\n%s", code, out.String())
	}
	b, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"<!-- example: eg/one/main.go#sum -->\n```go\nn := m.Two()\nn++\n\nn -= 1\nn += 0\n```\n\n<!--",
		"   <!-- example: eg/one/main.go#sum -->\n   ```go\n   n := m.Two()\n   n++\n\n   n -= 1\n   n += 0\n   ```\n\nEnd.\n",
	} {
		if !strings.Contains(string(b), want) {
			t.Errorf("README.md lacks %q:\n%s", want, b)
		}
	}
	out.Reset()
	if code := run(t.Context(), &out, dir, false); code != 0 {
		t.Errorf("what was just written does not pass: exit code %d\n%s", code, out.String())
	}
}

func TestAnchorsAreThoseOfTheSite(t *testing.T) {
	for heading, want := range map[string]string{
		"Where sessions are kept":   "where-sessions-are-kept",
		"`beaker.Config`, in words": "beakerconfig-in-words",
		"A & B":                     "a--b",
		"[Link](x.md) and x_y-z":    "link-and-x_y-z",
		"Über":                      "über",
	} {
		if got := anchor(heading); got != want {
			t.Errorf("%q: got %q, want %q", heading, got, want)
		}
	}
}
