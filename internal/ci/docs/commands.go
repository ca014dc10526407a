package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// command is a family of commands that a test runs as they are written, but for what a
// test cannot leave to chance (a port, a folder), or that nothing runs.
type command struct {
	doc     string         // the document; empty: any
	matches *regexp.Regexp // the whole command
	by      string         // the test, as file#TestName
	not     string         // why nothing runs it
}

// knownCommands are those of pages whose blocks do not say themselves who runs them, and
// those that are named in a line. A block does by the comment on the line before it, which
// is one of
//
//	<!-- run: here main.go=examples/quickstart/main.go -->
//	<!-- run-by: cmd/beaker/main_test.go#TestScripts -->
//
// "here" means that this program runs the commands, in a new folder with the files
// that are named and, as ../beaker, this repository. The file "above" is the program that
// stands above the block, which the reader has pasted.
//
// "make TARGET" and "go test" are not here: see isRun.
var knownCommands = []command{
	{doc: "docs/demo.md", matches: regexp.MustCompile(`^(curl|cp|wait)\b.*$`), by: typed + "#TestTheDocumentWithCurl"},
	{matches: regexp.MustCompile(`^(\w+=\S+ )*go run \./cmd/beaker .+$`), by: typed + "#TestTheDocumentsCommandsRun"},
	{matches: regexp.MustCompile(`^beaker demo( --store redis://\.\.\.)?$`), by: typed + "#TestTheDocumentsCommandsRun"},
	{matches: regexp.MustCompile(`^go run \./examples/\w+$`), by: "examples/programs_test.go#TestEachProgramDoesWhatItsDocumentSays"},
	{doc: "docs/redisstore.md", matches: regexp.MustCompile(`^printf .*\| sha256sum \| cut -c1-32$`), by: "redisstore/guide_test.go#TestTheGuidesCommandsWork"},

	// What make runs is not run by a test of this repository's, or it would run itself.
	{
		matches: regexp.MustCompile(`^make (test|setup|format|vet|rules|api-check|docs-check|unit|isolated|fips|guarantees-check|lint)$`),
		not:     "it is, or is a part of, what runs the tests",
	},
	{matches: regexp.MustCompile(`^make help$`), by: "internal/ci/docs/commands_test.go#TestHelp"},
	{
		matches: regexp.MustCompile(`^make (fmt|api|docs|guarantees)$`),
		not:     "it writes into the tree; make test runs the step that compares what it would write",
	},
	{matches: regexp.MustCompile(`^make screenshots$`), not: "it writes into the tree; what it calls is a test, which also runs without"},
	{matches: regexp.MustCompile(`^make (soak|fuzz|decoders|mutants)$`), not: "it takes from ten minutes to a day"},
	{matches: regexp.MustCompile(`^make bench( BENCH=.*)?$`), not: "it takes ten minutes of a quiet machine; bench/main_test.go does all of it once"},
	{doc: "docs/performance.md", matches: regexp.MustCompile(`^benchstat .*build/bench/results\.txt$`), not: "it is another project's, and reads what make bench leaves"},
	{doc: "CONTRIBUTING.md", matches: regexp.MustCompile(`^git diff$`), not: "it prints what a contributor has changed"},
}

const typed = "cmd/beaker/browsertest/commands/commands_test.go"

var (
	makeCommand   = regexp.MustCompile(`^make(?: [A-Z]+=\S+)* ([a-z-]+)(?: [A-Z]+=(?:'[^']*'|\S+))*$`)
	goTestCommand = regexp.MustCompile(`^(?:[A-Z_]+=\S+ )*go test (.+)$`)
	benchFlags    = regexp.MustCompile(`BENCH='?([^']*)'?$`)
	// What stands in a line and is a command: a program that documents tell people to run,
	// and at least one word more.
	commandLike  = regexp.MustCompile(`^(?:[A-Z_]+=\S+ )*(?:make|go run|go test|go mod|git|curl|redis-cli|printf|find|benchstat|beaker|npm|apt-get|openssl) `)
	goRunCommand = regexp.MustCompile(`^(?:[A-Z_]+=\S+ )*go run \./(\S+)`)
	shWord       = regexp.MustCompile(`'[^']*'|\S+`)
	makeTarget   = regexp.MustCompile(`(?m)^([a-z-]+):`)
	shComment    = regexp.MustCompile(`(^|\s+)#\s.*$`)
)

// commandsOf returns the commands of a block, each with its line in the block, from 1.
func commandsOf(b *block) (all []span) {
	cont := false
	for i, line := range strings.Split(b.text, "\n") {
		if b.lang() == "console" {
			rest, ok := strings.CutPrefix(line, "$ ")
			if !ok {
				continue // what it prints
			}
			line = rest
		}
		line = strings.TrimSpace(shComment.ReplaceAllString(line, ""))
		if line == "" {
			continue
		}
		more := strings.HasSuffix(line, `\`)
		line = strings.TrimSpace(strings.TrimSuffix(line, `\`))
		if cont {
			all[len(all)-1].text += " " + line
		} else {
			all = append(all, span{i + 1, line})
		}
		cont = more
	}
	return all
}

// runCommands checks that every command is run by something, and runs those that
// nothing else does.
func (c *checker) runCommands(ctx context.Context) error {
	for _, d := range c.docs {
		for _, b := range d.blocks {
			if lang := b.lang(); b.used || lang != "sh" && lang != "console" {
				continue
			}
			b.used = true
			all := commandsOf(b)
			if len(all) == 0 {
				c.bad(d.name, b.line, "no command is in the block")
			}
			c.counts["commands"] += len(all)
			where, rest, _ := strings.Cut(b.run, " ")
			switch {
			case b.runBy != "":
				if err := c.isTest(b.runBy); err != nil {
					c.bad(d.name, b.line, "%v", err)
				}
			case where == "here":
				if err := c.runHere(ctx, d, b, all, strings.Fields(rest)); err != nil {
					c.bad(d.name, b.line, "%v", err)
				}
			default:
				for _, cmd := range all {
					if err := c.isRun(ctx, d.name, cmd.text); err != nil {
						c.bad(d.name, b.line+cmd.line, "%v", err)
					}
				}
			}
		}
		for _, s := range d.spans {
			if !commandLike.MatchString(s.text) {
				continue
			}
			c.counts["commands"]++
			if err := c.isRun(ctx, d.name, s.text); err != nil {
				c.bad(d.name, s.line, "%v", err)
			}
		}
	}
	return nil
}

// isRun reports why nothing may be running a command. Of "make" the target must be
// there, and make must accept the command as it is written; of "go test" the packages
// and what is to be run there, which the tests' own run then runs.
func (c *checker) isRun(ctx context.Context, doc, text string) error {
	if m := makeCommand.FindStringSubmatch(text); m != nil {
		if err := c.make(ctx, text, m[1]); err != nil {
			return err
		}
	}
	if m := goTestCommand.FindStringSubmatch(text); m != nil {
		return c.goTest(ctx, m[1])
	}
	if m := goRunCommand.FindStringSubmatch(text); m != nil && !c.has(m[1]+"/main.go") {
		return fmt.Errorf("there is no program ./%s", m[1])
	}
	for _, k := range c.commands {
		if k.doc != "" && k.doc != doc || !k.matches.MatchString(text) {
			continue
		}
		if k.not != "" {
			c.counts["commands that nothing runs"]++
			return nil
		}
		return c.isTest(k.by)
	}
	return fmt.Errorf("nothing runs the command %q: say who does, with a comment before the block (see internal/ci/docs/commands.go)", text)
}

// make asks make what it would do.
func (c *checker) make(ctx context.Context, text, target string) error {
	file, err := c.read("Makefile")
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(makeTarget.FindAllStringSubmatch(file, -1), func(m []string) bool { return m[1] == target }) {
		return fmt.Errorf("the Makefile has no target %q", target)
	}
	if _, err := output(ctx, c.root, nil, "sh", "-c", "make -n "+strings.TrimPrefix(text, "make ")); err != nil {
		return err
	}
	if m := benchFlags.FindStringSubmatch(text); m != nil {
		source, err := c.read("bench/main.go")
		if err != nil {
			return err
		}
		for word := range strings.FieldsSeq(m[1]) {
			if name, ok := strings.CutPrefix(word, "-"); ok && !strings.Contains(source, `"`+name+`", `) {
				return fmt.Errorf("bench/main.go has no flag %s", word)
			}
		}
	}
	return nil
}

// goTest reports why "go test" with these arguments would find nothing; what it finds is
// run by other steps. The packages come last.
func (c *checker) goTest(ctx context.Context, args string) error {
	var tests, benchmarks string
	words := shWord.FindAllString(args, -1)
	for i, w := range words {
		switch next := strings.Trim(words[min(i+1, len(words)-1)], "'"); w {
		case "-run":
			tests = next
		case "-bench":
			benchmarks = next
		}
		if !strings.HasPrefix(w, "./") {
			continue
		}
		dir := strings.TrimSuffix(strings.TrimPrefix(w, "./"), "/...")
		if _, err := c.list(ctx, "-json=ImportPath", w); err != nil || !c.hasDir(dir) {
			return fmt.Errorf("there is no package %s", w)
		}
		for kind, pattern := range map[string]string{"Test": tests, "Benchmark": benchmarks} {
			for one := range strings.SplitSeq(pattern, "|") {
				if one != "" && one != "^$" && !c.hasFunc(dir, kind, one) {
					return fmt.Errorf("%s has nothing for %s %q", w, kind, one)
				}
			}
		}
	}
	return nil
}

var funcName = regexp.MustCompile(`(?m)^func ((?:Test|Benchmark)\w*)\(`)

// tests returns the names of all tests and benchmarks, which pages may name too.
func (c *checker) tests() map[string]bool {
	all := map[string]bool{}
	for _, name := range c.files {
		if !strings.HasSuffix(name, "_test.go") {
			continue
		}
		if text, err := c.read(name); err == nil {
			for _, m := range funcName.FindAllStringSubmatch(text, -1) {
				all[m[1]] = true
			}
		}
	}
	return all
}

// hasFunc reports whether a test or benchmark in dir matches a pattern.
func (c *checker) hasFunc(dir, kind, pattern string) bool {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return false
	}
	for _, name := range c.files {
		if !strings.HasPrefix(name, dir+"/") || !strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := c.read(name)
		if err != nil {
			continue
		}
		for _, m := range funcName.FindAllStringSubmatch(text, -1) {
			if strings.HasPrefix(m[1], kind) && re.MatchString(m[1]) {
				return true
			}
		}
	}
	return false
}

// isTest reports why file#TestName is no test.
func (c *checker) isTest(ref string) error {
	file, name, ok := strings.Cut(ref, "#")
	if !ok || !c.has(file) {
		return fmt.Errorf("%q is not the name of a test: write file#TestName", ref)
	}
	text, err := c.read(file)
	if err != nil {
		return err
	}
	if !strings.HasPrefix(name, "Test") || !strings.Contains(text, "\nfunc "+name+"(") {
		return fmt.Errorf("%s has no test %s", file, name)
	}
	return nil
}

// programAbove returns the last program before a block.
func programAbove(d *document, b *block) (text string) {
	for _, other := range d.blocks {
		if other.line < b.line && other.lang() == "go" && isProgram(other.text) {
			text = other.text
		}
	}
	return text
}

// runHere runs commands in order, in one shell, in a new folder beside this repository.
// A server that "go run ." starts must answer.
func (c *checker) runHere(ctx context.Context, d *document, b *block, all []span, files []string) error {
	dir, err := os.MkdirTemp("", "beaker-docs-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	root, err := filepath.Abs(c.root)
	if err != nil {
		return err
	}
	if err := os.Symlink(root, filepath.Join(dir, "beaker")); err != nil {
		return err
	}
	work := filepath.Join(dir, "app")
	if err := os.Mkdir(work, 0o700); err != nil {
		return err
	}
	port, err := freePort(ctx)
	if err != nil {
		return err
	}
	for _, f := range files {
		to, from, ok := strings.Cut(f, "=")
		text := programAbove(d, b)
		switch {
		case ok && from == "above" && text != "":
		case !ok || !c.has(from):
			return fmt.Errorf("%q does not name a file", f)
		default:
			if text, err = c.read(from); err != nil {
				return err
			}
		}
		text = strings.ReplaceAll(text, "localhost:8080", "localhost:"+port)
		if err := os.WriteFile(filepath.Join(work, to), []byte(text), 0o600); err != nil {
			return err
		}
	}
	script, serves := "set -e\n", false
	for _, cmd := range all {
		if cmd.text == "go run ." {
			serves = true
			cmd.text = "go build -o ../program ."
		}
		script += cmd.text + "\n"
	}
	// No network: the library requires nothing, and this is what shows it.
	env := []string{
		"GOWORK=off", "GOPROXY=off", "GOFLAGS=-mod=mod",
		// What is cloned from the web is cloned from here.
		"GIT_CONFIG_COUNT=2", "GIT_CONFIG_KEY_0=url." + root + ".insteadOf", "GIT_CONFIG_VALUE_0=https://" + c.module,
		"GIT_CONFIG_KEY_1=safe.directory", "GIT_CONFIG_VALUE_1=*",
	}
	if out, err := output(ctx, work, env, "sh", "-c", script); err != nil {
		return fmt.Errorf("the commands fail: %w\n%s", err, out)
	}
	if serves {
		return try(ctx, work, filepath.Join(dir, "program"), port)
	}
	return nil
}
