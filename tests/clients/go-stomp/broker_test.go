// Package gostomp tests the broker with go-stomp.
package gostomp

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// Broker is `stompbox serve` on free ports, which keeps everything in memory.
type Broker struct {
	TCP       string // host:port
	WebSocket string // ws://host:port/path
	options   []string
	folder    string
	command   *exec.Cmd
}

// startBroker starts one that ends with the test.
func startBroker(t *testing.T, options ...string) *Broker {
	t.Helper()
	broker := &Broker{options: options, folder: t.TempDir()}
	broker.start(t, "127.0.0.1:0", "127.0.0.1:0")
	t.Cleanup(broker.Stop)
	return broker
}

func (b *Broker) start(t *testing.T, stomp, http string) {
	t.Helper()
	options := append([]string{"serve", "--stomp", stomp, "--http", http}, b.options...)
	command := exec.Command(os.Getenv("STOMPBOX_BIN"), options...)
	command.Dir = b.folder
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "STOMPBOX_") {
			command.Env = append(command.Env, variable)
		}
	}
	command.Env = append(command.Env, "STOMPBOX_MEMORY=true")
	command.Stderr = os.Stderr
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	b.command = command
	b.TCP, b.WebSocket = "", ""
	lines := bufio.NewScanner(out)
	for (b.TCP == "" || b.WebSocket == "") && lines.Scan() {
		words := strings.Fields(lines.Text())
		switch {
		case len(words) < 2:
		case words[0] == "STOMP":
			b.TCP = strings.TrimPrefix(words[1], "stomp://")
		case words[0] == "WebSocket":
			b.WebSocket = words[1]
		}
	}
	if b.TCP == "" || b.WebSocket == "" {
		b.Stop()
		t.Fatal("the broker did not say where it listens")
	}
}

// Stop ends it as a service manager would.
func (b *Broker) Stop() {
	if b.command != nil {
		_ = b.command.Process.Signal(syscall.SIGTERM)
		_ = b.command.Wait()
		b.command = nil
	}
}

// StartAgain starts it on the same ports, after Stop.
func (b *Broker) StartAgain(t *testing.T) {
	t.Helper()
	http := strings.TrimPrefix(b.WebSocket, "ws://")
	b.start(t, b.TCP, http[:strings.IndexByte(http, '/')])
}
