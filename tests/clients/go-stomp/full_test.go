package gostomp

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/go-stomp/stomp/v3"
	"github.com/go-stomp/stomp/v3/frame"
)

// with adds a header to a SUBSCRIBE or UNSUBSCRIBE.
func with(name, value string) func(*frame.Frame) error {
	return stomp.SubscribeOpt.Header(name, value)
}

func TestSelector(t *testing.T) {
	each(t, func(t *testing.T, broker *Broker, dialect Dialect, name string) {
		for _, destination := range []string{"/queue/" + name, "/topic/" + name} {
			peer := connect(t, broker, dialect)
			subscription := peer.subscribe(destination, stomp.AckAuto, with("selector", "colour = 'red' AND size > 5"))
			peer.send(destination, "small", header("colour", "red"), header("size", "3"))
			peer.send(destination, "blue", header("colour", "blue"), header("size", "9"))
			peer.send(destination, "right", header("colour", "red"), header("size", "9"))
			equal(t, string(receive(t, subscription).Body), "right")
		}
	})
}

func TestDurableSubscription(t *testing.T) {
	each(t, func(t *testing.T, broker *Broker, dialect Dialect, name string) {
		topic := "/topic/" + name
		publisher := connect(t, broker, dialect)
		durable := func() (Peer, *stomp.Subscription) {
			peer := connect(t, broker, dialect, stomp.ConnOpt.Header("client-id", name))
			return peer, peer.subscribe(topic, stomp.AckAuto, with("activemq.subscriptionName", "news"))
		}
		peer, _ := durable()
		peer.disconnect()
		publisher.send(topic, "1")
		peer, subscription := durable()
		equal(t, string(receive(t, subscription).Body), "1")
		peer.unsubscribe(subscription, with("activemq.subscriptionName", "news"))
		peer.disconnect()
		publisher.send(topic, "2")
		peer, subscription = durable()
		publisher.send(topic, "3")
		equal(t, string(receive(t, subscription).Body), "3")
		peer.unsubscribe(subscription, with("activemq.subscriptionName", "news"))
	})
}

// The library's way, made for RabbitMQ: no SUBSCRIBE is sent when it has a `reply-to`.
func TestReplyTo(t *testing.T) {
	each(t, func(t *testing.T, broker *Broker, dialect Dialect, name string) {
		service, caller := connect(t, broker, dialect), connect(t, broker, dialect)
		requests := service.subscribe("/queue/"+name, stomp.AckAuto)
		replies := caller.subscribe("/temp-queue/replies", stomp.AckAuto, with("reply-to", "/temp-queue/replies"))
		caller.send("/queue/"+name, "ask", header("reply-to", "/temp-queue/replies"), header("correlation-id", "7"))
		request := receive(t, requests)
		service.send(request.Header.Get("reply-to"), strings.ToUpper(string(request.Body)),
			header("correlation-id", request.Header.Get("correlation-id")))
		reply := receive(t, replies)
		equal(t, string(reply.Body), "ASK")
		equal(t, reply.Header.Get("correlation-id"), "7")
		// An UNSUBSCRIBE is sent all the same.
		caller.unsubscribe(replies)
		caller.send("/queue/"+name+"-still", "here")
	})
}

func TestPrefetch(t *testing.T) {
	each(t, func(t *testing.T, broker *Broker, dialect Dialect, name string) {
		queue := "/queue/" + name
		peer, other := connect(t, broker, dialect), connect(t, broker, dialect)
		subscription := peer.subscribe(queue, stomp.AckClientIndividual, with("activemq.prefetchSize", "1"))
		for _, body := range numbers(1, 3) {
			peer.send(queue, body)
		}
		first := receive(t, subscription)
		equal(t, string(first.Body), "1")
		check(t, peer.Ack(first))
		equal(t, string(receive(t, subscription).Body), "2")
		equal(t, string(receive(t, other.subscribe(queue, stomp.AckAuto)).Body), "3")
	})
}

func TestExpiryAndPriority(t *testing.T) {
	each(t, func(t *testing.T, broker *Broker, dialect Dialect, name string) {
		peer := connect(t, broker, dialect)
		milliseconds := func(after time.Duration) string {
			return strconv.FormatInt(time.Now().Add(after).UnixNano()/1_000_000, 10)
		}
		peer.send("/queue/"+name, "late", header("expires", milliseconds(-time.Minute)))
		peer.send("/queue/"+name, "low", header("priority", "1"), header("expires", milliseconds(time.Hour)))
		peer.send("/queue/"+name, "usual")
		peer.send("/queue/"+name, "high", header("priority", "9"))
		subscription := peer.subscribe("/queue/"+name, stomp.AckAuto)
		equal(t, bodies(t, subscription, 3), []string{"high", "usual", "low"})
	})
}

// To somebody who writes binary messages the broker answers with such, since NetConn takes no others.
func TestNetConn(t *testing.T) {
	broker := startBroker(t)
	for _, kind := range []websocket.MessageType{websocket.MessageText, websocket.MessageBinary} {
		ctx := context.Background()
		socket, _, err := websocket.Dial(ctx, broker.WebSocket, &websocket.DialOptions{Subprotocols: []string{"v12.stomp"}})
		check(t, err)
		conn, err := stomp.Connect(websocket.NetConn(ctx, socket, kind), stomp.ConnOpt.Host("localhost"))
		check(t, err)
		check(t, conn.Send("/queue/netconn", "", []byte("text"), stomp.SendOpt.Receipt))
		check(t, conn.Disconnect())
	}
}
