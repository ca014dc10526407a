// Command docs checks that the documents of this repository are true: that their code
// compiles and was run, that what they name exists, that their links lead somewhere,
// that their commands are run by a test.
//
//	docs [-write] [-root .]
//
// # Code
//
// A Go block is one of two things, and none is exempt:
//
//   - It is copied from a tested file. The line before the block says from where:
//
//     <!-- example: examples/signin/main.go#signin -->
//
//     The region stands between the lines "//docs:begin signin" and "//docs:end signin"
//     of the file; without "#signin" it is the whole file. Several regions are joined
//     by empty lines. Tests must have run it: of a region in a program, each function,
//     or a statement where there is none, was executed by the tests of its package; a
//     region in a test file is in a test, an example with output, or a function that one
//     of them calls. -write copies anew.
//
//   - It is a complete program. It is compiled as it stands, in a module of its own, and
//     run.
//
// Blocks of other languages that can be wrong (js, html, python) must be copied from
// tested files too; json must parse; sh and console are commands, see commands.go. Code
// that is indented and not fenced says of none of this what it is, and is refused.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// problem is something in a document that is not true.
type problem struct {
	file string
	line int
	text string
}

func (p problem) String() string { return fmt.Sprintf("%s:%d: %s", p.file, p.line, p.text) }

// checker is one run over a repository.
type checker struct {
	root     string
	files    []string // all files of the repository, relative to root, with slashes
	docs     []*document
	module   string // of the root
	commands []command
	words    map[string]bool
	problems []problem
	counts   map[string]int // of blocks, by what was done with them
}

func (c *checker) bad(file string, line int, format string, args ...any) {
	c.problems = append(c.problems, problem{file, line, fmt.Sprintf(format, args...)})
}

func main() {
	root := flag.String("root", ".", "root of the repository")
	write := flag.Bool("write", false, "copy the examples into the documents first")
	flag.Parse()
	os.Exit(run(context.Background(), os.Stdout, *root, *write))
}

func run(ctx context.Context, out io.Writer, root string, write bool) int {
	c, err := newChecker(ctx, root)
	if err == nil {
		err = c.check(ctx, write)
	}
	if err != nil {
		fmt.Fprintln(out, "docs:", err)
		return 2
	}
	slices.SortStableFunc(c.problems, func(a, b problem) int {
		return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.line, b.line))
	})
	for _, p := range slices.Compact(c.problems) {
		fmt.Fprintln(out, p)
	}
	if len(c.problems) > 0 {
		return 1
	}
	var did []string
	for _, what := range []string{"copied from tested files", "run as they stand", "commands", "commands that nothing runs", "links", "names", "errors explained"} {
		did = append(did, fmt.Sprintf("%d %s", c.counts[what], what))
	}
	fmt.Fprintf(out, "%d documents: %s\n", len(c.docs), strings.Join(did, ", "))
	return 0
}

func newChecker(ctx context.Context, root string) (*checker, error) {
	c := &checker{root: root, commands: knownCommands, words: knownWords, counts: map[string]int{}}
	var err error
	if c.files, err = listFiles(ctx, root); err != nil {
		return nil, err
	}
	if c.module, err = moduleOf(c.read("go.mod")); err != nil {
		return nil, err
	}
	for _, name := range c.files {
		if strings.HasSuffix(name, ".md") && !strings.Contains(name, "testdata/") {
			text, err := c.read(name)
			if err != nil {
				return nil, err
			}
			c.docs = append(c.docs, parse(name, text))
		}
	}
	return c, nil
}

// check does everything; an error means that it could not, problems are in c.
func (c *checker) check(ctx context.Context, write bool) error {
	if err := c.examples(write); err != nil {
		return err
	}
	c.links()
	c.plain()
	types, err := c.load(ctx)
	if err != nil {
		return err
	}
	c.names(types)
	c.comments(types)
	c.errorPages(types)
	if err := c.programs(ctx); err != nil {
		return err
	}
	if err := c.executed(ctx); err != nil {
		return err
	}
	return c.runCommands(ctx)
}
