// Command api holds what the released packages export against the files in api/, one
// line for each exported identifier, in the manner of the Go project's own api files:
// so that a change of what users compile against is seen in review.
//
//	api [-write] [-dir api] module-directory ...
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stdout, "api:", err)
		os.Exit(1)
	}
}

var errChanged = errors.New(`the exported API is not what api/ records: if that is meant, run "make api", and say in CHANGELOG.md what users have to change for each line that went away`)

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("api", flag.ContinueOnError)
	flags.SetOutput(out)
	write := flags.Bool("write", false, "record the API as it is")
	dir := flags.String("dir", "api", "where it is recorded")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() == 0 {
		return errors.New("name the directories of the modules")
	}
	changed := false
	wanted := map[string]bool{}
	for _, module := range flags.Args() {
		packages, err := load(ctx, module)
		if err != nil {
			return err
		}
		for _, pkg := range packages {
			lines := describe(pkg)
			if len(lines) == 0 {
				continue
			}
			file := filepath.Join(*dir, fileName(pkg.Path()))
			wanted[file] = true
			recorded, err := read(file)
			if err != nil {
				return err
			}
			if slices.Equal(recorded, lines) {
				continue
			}
			if *write {
				if err := os.MkdirAll(*dir, 0o755); err != nil {
					return err
				}
				if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
					return err
				}
				continue
			}
			changed = true
			report(out, pkg.Path(), recorded, lines)
		}
	}
	gone, err := unwanted(*dir, wanted)
	if err != nil {
		return err
	}
	for _, file := range gone {
		if *write {
			if err := os.Remove(file); err != nil {
				return err
			}
			continue
		}
		changed = true
		fmt.Fprintf(out, "%s: the package is no more\n", file)
	}
	if changed {
		return errChanged
	}
	return nil
}

// fileName is flat: the last elements of a path are enough to tell packages apart.
func fileName(path string) string {
	_, rest, ok := strings.Cut(path, "/beaker")
	if !ok {
		rest = "/" + path
	}
	name := strings.ReplaceAll(strings.TrimPrefix(rest, "/"), "/", "-")
	if name == "" {
		name = "beaker"
	}
	return name + ".txt"
}

func read(file string) ([]string, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n"), nil
}

func report(out io.Writer, path string, recorded, now []string) {
	fmt.Fprintln(out, path)
	for _, line := range recorded {
		if line != "" && !slices.Contains(now, line) {
			fmt.Fprintln(out, "  - "+line)
		}
	}
	for _, line := range now {
		if !slices.Contains(recorded, line) {
			fmt.Fprintln(out, "  + "+line)
		}
	}
}

func unwanted(dir string, wanted map[string]bool) (gone []string, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	for _, file := range files {
		if !wanted[file] {
			gone = append(gone, file)
		}
	}
	return gone, err
}
