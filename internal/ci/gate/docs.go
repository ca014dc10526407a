package main

import (
	"context"
	"errors"
)

// docs checks what the documents say; see internal/ci/docs.
func (g *gate) docs(ctx context.Context) error { return g.documents(ctx) }

func (g *gate) writeDocs(ctx context.Context) error { return g.documents(ctx, "-write") }

func (g *gate) documents(ctx context.Context, flags ...string) error {
	cmd := g.command(ctx, "", nil, "go", append([]string{"run", "./internal/ci/docs"}, flags...)...)
	cmd.Stdout, cmd.Stderr = g.out, g.out
	if cmd.Run() != nil {
		return errors.New("the documents are not true")
	}
	return nil
}
