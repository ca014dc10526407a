package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// programs compiles the complete programs among the blocks, also those that are copied,
// and runs them: a server must answer a request, another must end without an error.
func (c *checker) programs(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "beaker-docs-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	type program struct {
		d *document
		b *block
	}
	var all []program
	known := map[string]bool{}
	for _, d := range c.docs {
		for _, b := range d.blocks {
			if b.lang() != "go" || !isProgram(b.text) || known[b.text] {
				continue
			}
			known[b.text], b.used = true, true
			all = append(all, program{d, b})
			c.counts["run as they stand"]++
		}
	}
	if len(all) == 0 {
		return nil
	}
	for i, p := range all {
		name := filepath.Join(dir, fmt.Sprintf("p%d", i), "main.go")
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(name, []byte(p.b.text), 0o644); err != nil {
			return err
		}
	}
	// A module of its own, beside all of the repository: what is not exported or not
	// required is as far away as it is for a reader.
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module docs.example\n\ngo 1.25.0\n"), 0o644); err != nil {
		return err
	}
	work, err := c.workspace(dir)
	if err != nil {
		return err
	}
	for i, p := range all {
		bin := filepath.Join(dir, fmt.Sprintf("p%d.exe", i))
		if _, err := output(ctx, dir, []string{"GOWORK=" + work}, "go", "build", "-o", bin, fmt.Sprintf("./p%d", i)); err != nil {
			c.bad(p.d.name, p.b.line, "the program does not compile: %v", err)
			continue
		}
		// Nobody else's port: the address is the only thing that is changed.
		port, err := freePort(ctx)
		if err != nil {
			return err
		}
		if text := strings.ReplaceAll(p.b.text, "localhost:8080", "localhost:"+port); text != p.b.text {
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("p%d", i), "main.go"), []byte(text), 0o644); err != nil {
				return err
			}
			if _, err := output(ctx, dir, []string{"GOWORK=" + work}, "go", "build", "-o", bin, fmt.Sprintf("./p%d", i)); err != nil {
				return err
			}
		} else {
			port = ""
		}
		run := filepath.Join(dir, fmt.Sprintf("run%d", i)) // an empty folder, as a reader has
		if err := os.Mkdir(run, 0o700); err != nil {
			return err
		}
		if err := try(ctx, run, bin, port); err != nil {
			c.bad(p.d.name, p.b.line, "the program does not run: %v", err)
		}
	}
	return nil
}

// workspace writes a go.work in dir that uses dir and all modules of the repository.
func (c *checker) workspace(dir string) (string, error) {
	dirs := map[string]bool{dir: true}
	for _, name := range c.files {
		if path.Base(name) == "go.mod" && !strings.Contains(name, "testdata/") {
			abs, err := filepath.Abs(c.path(path.Dir(name)))
			if err != nil {
				return "", err
			}
			dirs[abs] = true
		}
	}
	text := "go 1.26.0\n\n"
	for _, d := range slices.Sorted(maps.Keys(dirs)) {
		text += "use " + d + "\n"
	}
	if sum, err := os.ReadFile(c.path("go.work.sum")); err == nil {
		if err := os.WriteFile(filepath.Join(dir, "go.work.sum"), sum, 0o644); err != nil {
			return "", err
		}
	}
	name := filepath.Join(dir, "go.work")
	return name, os.WriteFile(name, []byte(text), 0o644)
}

func freePort(ctx context.Context) (string, error) {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "localhost:0")
	if err != nil {
		return "", err
	}
	defer ln.Close()
	_, port, err := net.SplitHostPort(ln.Addr().String())
	return port, err
}

// try runs a program. With a port it is a server, which must answer and is then ended;
// without, it must end by itself.
func try(ctx context.Context, dir, bin, port string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin)
	cmd.Dir = dir
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if port == "" {
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%w\n%s", err, out.String())
		}
		return nil
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	err := answers(ctx, "http://localhost:"+port+"/", ended)
	_ = cmd.Process.Kill() // it may have ended
	if err != nil {
		cancel()
		return fmt.Errorf("%w\n%s", err, out.String())
	}
	return nil
}

// answers waits until a server answers without an error of its own.
func answers(ctx context.Context, url string, ended <-chan error) error {
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			body, _ := io.ReadAll(resp.Body) // shown only if the status is wrong
			_ = resp.Body.Close()            // it was only read
			if resp.StatusCode >= 400 {
				return fmt.Errorf("GET / answers %s: %.200s", resp.Status, body)
			}
			return nil
		}
		select {
		case err := <-ended:
			return fmt.Errorf("it ended before it answered: %w", err)
		case <-ctx.Done():
			return fmt.Errorf("it does not answer: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
