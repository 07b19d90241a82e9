package gostomp

import (
	"bytes"
	"math/rand"
	"reflect"
	"sort"
	"strconv"
	"testing"

	"github.com/go-stomp/stomp/v3"
)

func numbers(from, to int) (all []string) {
	for number := from; number <= to; number++ {
		all = append(all, strconv.Itoa(number))
	}
	return all
}

func equal(t *testing.T, got, wanted interface{}) {
	t.Helper()
	if !reflect.DeepEqual(got, wanted) {
		t.Fatalf("got %q, wanted %q", got, wanted)
	}
}

func TestQueue(t *testing.T) {
	each(t, func(t *testing.T, broker *Broker, dialect Dialect, name string) {
		peer := connect(t, broker, dialect)
		subscription := peer.subscribe("/queue/"+name, stomp.AckAuto)
		peer.send("/queue/"+name, "hello", header("colour", "red"))
		message := receive(t, subscription)
		equal(t, string(message.Body), "hello")
		equal(t, message.ContentType, "text/plain")
		equal(t, message.Destination, "/queue/"+name)
		equal(t, message.Header.Get("colour"), "red")
		equal(t, message.Header.Get("subscription"), subscription.Id())
		if message.Header.Get("message-id") == "" {
			t.Fatal("no message-id")
		}
	})
}

func TestQueueKeepsMessagesInOrder(t *testing.T) {
	each(t, func(t *testing.T, broker *Broker, dialect Dialect, name string) {
		peer := connect(t, broker, dialect)
		for _, body := range numbers(1, 50) {
			check(t, peer.Send("/queue/"+name, "", []byte(body)))
		}
		subscription, err := peer.Subscribe("/queue/"+name, stomp.AckAuto)
		check(t, err)
		equal(t, bodies(t, subscription, 50), numbers(1, 50))
	})
}

func TestConsumersShareAQueue(t *testing.T) {
	each(t, func(t *testing.T, broker *Broker, dialect Dialect, name string) {
		producer := connect(t, broker, dialect)
		var consumers []*stomp.Subscription
		for i := 0; i < 2; i++ {
			peer := connect(t, broker, dialect)
			consumers = append(consumers, peer.subscribe("/queue/"+name, stomp.AckClientIndividual))
		}
		for _, body := range numbers(10, 29) {
			producer.send("/queue/"+name, body)
		}
		// In turn, so that each gets half.
		got := append(bodies(t, consumers[0], 10), bodies(t, consumers[1], 10)...)
		sort.Strings(got)
		equal(t, got, numbers(10, 29))
	})
}

func TestTopicGivesToAllThatSubscribed(t *testing.T) {
	each(t, func(t *testing.T, broker *Broker, dialect Dialect, name string) {
		publisher := connect(t, broker, dialect)
		publisher.send("/topic/"+name, "too early")
		var subscriptions []*stomp.Subscription
		for i := 0; i < 2; i++ {
			peer := connect(t, broker, dialect)
			subscriptions = append(subscriptions, peer.subscribe("/topic/"+name, stomp.AckAuto))
		}
		publisher.send("/topic/"+name, "news")
		for _, subscription := range subscriptions {
			equal(t, string(receive(t, subscription).Body), "news")
		}
	})
}

func TestUnsubscribe(t *testing.T) {
	each(t, func(t *testing.T, broker *Broker, dialect Dialect, name string) {
		peer, other := connect(t, broker, dialect), connect(t, broker, dialect)
		subscription := peer.subscribe("/queue/"+name, stomp.AckAuto)
		peer.send("/queue/"+name, "before")
		equal(t, string(receive(t, subscription).Body), "before")
		peer.unsubscribe(subscription)
		peer.send("/queue/"+name, "after")
		equal(t, string(receive(t, other.subscribe("/queue/"+name, stomp.AckAuto)).Body), "after")
		if message, open := <-subscription.C; open {
			t.Fatal("came after the end: ", message)
		}
	})
}

func TestBodies(t *testing.T) {
	every := make([]byte, 1024)
	for i := range every {
		every[i] = byte(i)
	}
	// The library writes a frame in pieces of 4 KiB, so that text of more than ASCII would be cut amid a
	// character, which a text message may not be.
	ascii := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	random := make([]byte, 1<<20)
	rand.New(rand.NewSource(1)).Read(random)
	each(t, func(t *testing.T, broker *Broker, dialect Dialect, name string) {
		all := [][]byte{{}, []byte("Grüße, 世界 🌍"), []byte("a\x00b\x00\x00c\n"), ascii}
		if dialect.CarriesAnyByte() {
			all = append(all, every, random)
		}
		peer := connect(t, broker, dialect)
		subscription := peer.subscribe("/queue/"+name, stomp.AckAuto)
		for _, body := range all {
			check(t, peer.Send("/queue/"+name, "", body, stomp.SendOpt.Receipt))
			if got := receive(t, subscription).Body; !bytes.Equal(got, body) {
				t.Fatalf("%d bytes came as %d others", len(body), len(got))
			}
		}
		text := []byte("up to the null")
		check(t, peer.Send("/queue/"+name, "", text, stomp.SendOpt.Receipt, stomp.SendOpt.NoContentLength))
		equal(t, string(receive(t, subscription).Body), string(text))
	})
}

func TestEscapedHeaders(t *testing.T) {
	each(t, func(t *testing.T, broker *Broker, dialect Dialect, name string) {
		peer := connect(t, broker, dialect)
		subscription := peer.subscribe("/queue/"+name, stomp.AckAuto)
		odd := "c:\\new \\\\ two\nlines: end"
		if dialect.Version == stomp.V12 {
			odd += "\r"
		}
		peer.send("/queue/"+name, "", header("odd", odd), header("naïve: name", "crème brûlée 🍮"))
		message := receive(t, subscription)
		equal(t, message.Header.Get("odd"), odd)
		equal(t, message.Header.Get("naïve: name"), "crème brûlée 🍮")
	})
}
