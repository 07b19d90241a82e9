package gostomp

import (
	"errors"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/go-stomp/stomp/v3"
	"github.com/go-stomp/stomp/v3/frame"
)

// wait is after what time something that should have happened counts as a hang.
const wait = 20 * time.Second

// Dialect is a version over a transport.
type Dialect struct {
	Version   stomp.Version
	Transport string
}

func (d Dialect) String() string { return string(d.Version) + " " + d.Transport }

// CarriesAnyByte: a WebSocket's text message has to be UTF-8.
func (d Dialect) CarriesAnyByte() bool { return d.Transport != "text" }

var dialects = func() (all []Dialect) {
	for _, version := range []stomp.Version{stomp.V10, stomp.V11, stomp.V12} {
		for _, transport := range []string{"tcp", "text", "binary"} {
			all = append(all, Dialect{version, transport})
		}
	}
	return all
}()

type silent struct{}

func (silent) Debugf(string, ...interface{})   {}
func (silent) Infof(string, ...interface{})    {}
func (silent) Warningf(string, ...interface{}) {}
func (silent) Errorf(string, ...interface{})   {}
func (silent) Debug(string)                    {}
func (silent) Info(string)                     {}
func (silent) Warning(string)                  {}
func (silent) Error(string)                    {}

func (d Dialect) dial(broker *Broker, options ...func(*stomp.Conn) error) (*stomp.Conn, error) {
	options = append([]func(*stomp.Conn) error{
		stomp.ConnOpt.AcceptVersion(d.Version),
		stomp.ConnOpt.Logger(silent{}),
		stomp.ConnOpt.UnsubscribeReceiptTimeout(2 * time.Second),
	}, options...)
	if d.Transport == "tcp" {
		return stomp.Dial("tcp", broker.TCP, options...)
	}
	kind := websocket.MessageText
	if d.Transport == "binary" {
		kind = websocket.MessageBinary
	}
	subprotocol := map[stomp.Version]string{
		stomp.V10: "v10.stomp", stomp.V11: "v11.stomp", stomp.V12: "v12.stomp",
	}[d.Version]
	socket, err := dialWebSocket(broker.WebSocket, kind, subprotocol)
	if err != nil {
		return nil, err
	}
	return stomp.Connect(socket, options...)
}

// Peer is a connection whose calls fail the test.
type Peer struct {
	*stomp.Conn
	t *testing.T
}

func connect(t *testing.T, broker *Broker, dialect Dialect, options ...func(*stomp.Conn) error) Peer {
	t.Helper()
	conn, err := dialect.dial(broker, options...)
	check(t, err)
	// Not Disconnect: after an ERROR the library may wait for a receipt that cannot come any more.
	t.Cleanup(func() { _ = conn.MustDisconnect() })
	return Peer{conn, t}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// send waits for the receipt.
func (p Peer) send(destination, body string, options ...func(*frame.Frame) error) {
	p.t.Helper()
	options = append(options, stomp.SendOpt.Receipt)
	check(p.t, p.Send(destination, "text/plain", []byte(body), options...))
}

// subscribe waits until the subscription is in force. The library waits for no receipt of a SUBSCRIBE, so
// that of a later frame has to do.
func (p Peer) subscribe(destination string, ack stomp.AckMode, options ...func(*frame.Frame) error) *stomp.Subscription {
	p.t.Helper()
	subscription, err := p.Subscribe(destination, ack, options...)
	check(p.t, err)
	p.fence()
	return subscription
}

// fence waits until the broker has handled all that was sent before.
func (p Peer) fence() {
	p.t.Helper()
	p.send("/topic/fence", "")
}

func (p Peer) disconnect() {
	p.t.Helper()
	check(p.t, p.Disconnect())
}

// next is the next message, or the error that came in its place.
func next(t *testing.T, subscription *stomp.Subscription) *stomp.Message {
	t.Helper()
	select {
	case message, open := <-subscription.C:
		if !open {
			t.Fatal("the subscription has ended")
		}
		return message
	case <-time.After(wait):
		t.Fatal("no message came")
	}
	return nil
}

// receive is a message.
func receive(t *testing.T, subscription *stomp.Subscription) *stomp.Message {
	t.Helper()
	message := next(t, subscription)
	check(t, message.Err)
	return message
}

func bodies(t *testing.T, subscription *stomp.Subscription, number int) (bodies []string) {
	t.Helper()
	for i := 0; i < number; i++ {
		bodies = append(bodies, string(receive(t, subscription).Body))
	}
	return bodies
}

// header adds a header to a SEND.
func header(name, value string) func(*frame.Frame) error {
	return stomp.SendOpt.Header(name, value)
}

// unsubscribe waits for the receipt, after which the channel is closed. The library may miss that itself
// (it waits for a condition which was told before), and says then that it took too long.
func (p Peer) unsubscribe(subscription *stomp.Subscription, options ...func(*frame.Frame) error) {
	p.t.Helper()
	err := subscription.Unsubscribe(options...)
	if err != nil && (subscription.Active() || !errors.Is(err, &stomp.ErrUnsubscribeReceiptTimeout)) {
		p.t.Fatal(err)
	}
}
