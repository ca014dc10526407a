//go:build linux

package engines

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Memcached is a memcached server.
type Memcached struct {
	*Process
	Addr string // host:port, for clients

	dir string
}

// StartMemcached starts a memcached, from Debian's package of that name, with nothing in
// it. Later settings in args take precedence.
func StartMemcached(ctx context.Context, args ...string) (*Memcached, error) {
	program, err := Program("memcached")
	if err != nil {
		return nil, err
	}
	for range 5 {
		var m *Memcached
		m, err = tryMemcached(ctx, program, args)
		if err == nil || !strings.Contains(err.Error(), "Address already in use") {
			return m, err
		}
	}
	return nil, err
}

// tryMemcached fails where somebody was faster to take the port.
func tryMemcached(ctx context.Context, program string, args []string) (*Memcached, error) {
	const account = "memcache" // it refuses root
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	m := &Memcached{Addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	if m.dir, err = NewDir(account); err != nil {
		return nil, err
	}
	all := append([]string{program, "--listen=127.0.0.1", "--port=" + strconv.Itoa(port), "--udp-port=0", "--threads=2"}, args...)
	m.Process, err = Start(ctx, Spec{
		Args: all, Dir: m.dir, Account: account,
		Ready: func(ctx context.Context) error {
			_, err := m.Do(ctx, "version")
			return err
		},
		Stop: syscall.SIGKILL, // it has nothing to save, and takes a second to end by itself
	})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(m.dir))
	}
	return m, nil
}

// Do sends a command on a connection of its own and returns the lines of the answer,
// without the one that says that there are no more.
func (m *Memcached) Do(ctx context.Context, command string) ([]string, error) {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", m.Addr)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil { //nolint:forbidigo // a real wait
		return nil, err
	}
	if _, err := c.Write([]byte(command + "\r\n")); err != nil {
		return nil, err
	}
	many := strings.HasPrefix(command, "stats") || strings.HasPrefix(command, "get") || strings.HasPrefix(command, "lru_crawler metadump")
	var lines []string
	for r := bufio.NewReader(c); ; {
		line, err := r.ReadString('\n')
		if err != nil {
			return nil, fmt.Errorf("engines: memcached: %s: %w", command, err)
		}
		line = strings.TrimRight(line, "\r\n")
		if strings.Contains(line, "ERROR") {
			return nil, fmt.Errorf("engines: memcached: %s: %s", command, line)
		}
		if line == "END" {
			return lines, nil
		}
		lines = append(lines, line)
		if !many {
			return lines, nil
		}
	}
}

// Stats returns what a command such as "stats" or "stats settings" answers.
func (m *Memcached) Stats(ctx context.Context, command string) (map[string]string, error) {
	lines, err := m.Do(ctx, command)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, line := range lines {
		name, value, _ := strings.Cut(strings.TrimPrefix(line, "STAT "), " ")
		out[name] = value
	}
	return out, nil
}

// Keys returns the names of all that the server holds.
func (m *Memcached) Keys(ctx context.Context) ([]string, error) {
	lines, err := m.Do(ctx, "lru_crawler metadump all")
	if err != nil {
		return nil, err
	}
	keys := make([]string, 0, len(lines))
	for _, line := range lines {
		name, _, _ := strings.Cut(strings.TrimPrefix(line, "key="), " ")
		key, err := url.QueryUnescape(name)
		if err != nil {
			return nil, fmt.Errorf("engines: memcached: the key %q: %w", name, err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// Close ends the server and removes its folder.
func (m *Memcached) Close() error {
	m.Process.Close()
	return os.RemoveAll(m.dir)
}
