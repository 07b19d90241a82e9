package gostomp

import (
	"testing"

	"github.com/go-stomp/stomp/v3"
)

// left is what another consumer finds in a queue.
func left(t *testing.T, broker *Broker, dialect Dialect, queue string) []string {
	t.Helper()
	other := connect(t, broker, dialect)
	other.send(queue, "end")
	subscription := other.subscribe(queue, stomp.AckAuto)
	found := []string{}
	for {
		body := string(receive(t, subscription).Body)
		if body == "end" {
			other.disconnect()
			return found
		}
		found = append(found, body)
	}
}

// sent is that many messages, sent and received, not acknowledged.
func sent(peer Peer, subscription *stomp.Subscription, number int) (messages []*stomp.Message) {
	peer.t.Helper()
	for _, body := range numbers(1, number) {
		peer.send(subscription.Destination(), body)
		messages = append(messages, receive(peer.t, subscription))
	}
	return messages
}

func TestAckModes(t *testing.T) {
	each(t, func(t *testing.T, broker *Broker, dialect Dialect, name string) {
		for mode, wanted := range map[stomp.AckMode][]string{
			stomp.AckAuto:             {},
			stomp.AckClient:           {"4", "5"},
			stomp.AckClientIndividual: {"1", "2", "4", "5"},
		} {
			queue := "/queue/" + name + mode.String()
			peer := connect(t, broker, dialect)
			messages := sent(peer, peer.subscribe(queue, mode), 5)
			check(t, peer.Ack(messages[2]))
			peer.disconnect()
			equal(t, left(t, broker, dialect, queue), wanted)
		}
	})
}

func TestUnsubscribeGivesBack(t *testing.T) {
	each(t, func(t *testing.T, broker *Broker, dialect Dialect, name string) {
		peer := connect(t, broker, dialect)
		subscription := peer.subscribe("/queue/"+name, stomp.AckClientIndividual)
		messages := sent(peer, subscription, 3)
		check(t, peer.Ack(messages[0]))
		peer.unsubscribe(subscription)
		equal(t, left(t, broker, dialect, "/queue/"+name), numbers(2, 3))
	})
}

func TestLostConnectionGivesBack(t *testing.T) {
	each(t, func(t *testing.T, broker *Broker, dialect Dialect, name string) {
		peer := connect(t, broker, dialect)
		subscription := peer.subscribe("/queue/"+name, stomp.AckClient)
		sent(peer, subscription, 2)
		if err := peer.Send("/nowhere/x", "", nil, stomp.SendOpt.Receipt); err == nil {
			t.Fatal("no error")
		}
		equal(t, left(t, broker, dialect, "/queue/"+name), numbers(1, 2))
	})
}

func TestNack(t *testing.T) {
	each(t, func(t *testing.T, broker *Broker, dialect Dialect, name string) {
		for _, mode := range []stomp.AckMode{stomp.AckClient, stomp.AckClientIndividual} {
			queue := "/queue/" + name + mode.String()
			peer := connect(t, broker, dialect)
			subscription := peer.subscribe(queue, mode)
			message := sent(peer, subscription, 1)[0]
			err := peer.Nack(message)
			if dialect.Version == stomp.V10 {
				equal(t, err, stomp.ErrNackNotSupported)
				continue
			}
			check(t, err)
			again := receive(t, subscription)
			equal(t, string(again.Body), "1")
			check(t, peer.Ack(again))
			peer.disconnect()
			equal(t, left(t, broker, dialect, queue), []string{})
		}
	})
}

func TestCommit(t *testing.T) {
	each(t, func(t *testing.T, broker *Broker, dialect Dialect, name string) {
		queue := "/queue/" + name
		peer := connect(t, broker, dialect)
		messages := sent(peer, peer.subscribe(queue, stomp.AckClientIndividual), 3)
		transaction, err := peer.BeginWithError()
		check(t, err)
		check(t, transaction.Send(queue+"-next", "", []byte("moved"), stomp.SendOpt.Receipt))
		check(t, transaction.Ack(messages[0]))
		check(t, transaction.Ack(messages[2]))
		equal(t, left(t, broker, dialect, queue+"-next"), []string{})
		check(t, transaction.CommitWithReceipt())
		peer.disconnect()
		equal(t, left(t, broker, dialect, queue), []string{"2"})
		equal(t, left(t, broker, dialect, queue+"-next"), []string{"moved"})
	})
}

func TestAbort(t *testing.T) {
	each(t, func(t *testing.T, broker *Broker, dialect Dialect, name string) {
		queue := "/queue/" + name
		peer := connect(t, broker, dialect)
		messages := sent(peer, peer.subscribe(queue, stomp.AckClientIndividual), 2)
		transaction := peer.Begin()
		check(t, transaction.Send(queue+"-next", "", []byte("moved")))
		check(t, transaction.Ack(messages[0]))
		check(t, transaction.AbortWithReceipt())
		check(t, peer.Ack(messages[1]))
		peer.disconnect()
		equal(t, left(t, broker, dialect, queue), []string{"1"})
		equal(t, left(t, broker, dialect, queue+"-next"), []string{})
	})
}

func TestNackInATransaction(t *testing.T) {
	each(t, func(t *testing.T, broker *Broker, dialect Dialect, name string) {
		if dialect.Version == stomp.V10 {
			return
		}
		peer := connect(t, broker, dialect)
		subscription := peer.subscribe("/queue/"+name, stomp.AckClientIndividual)
		message := sent(peer, subscription, 1)[0]
		transaction := peer.Begin()
		check(t, transaction.Nack(message))
		check(t, transaction.CommitWithReceipt())
		again := receive(t, subscription)
		equal(t, string(again.Body), "1")
		check(t, peer.Ack(again))
	})
}

func TestEndOfAConnectionAborts(t *testing.T) {
	each(t, func(t *testing.T, broker *Broker, dialect Dialect, name string) {
		peer := connect(t, broker, dialect)
		check(t, peer.Begin().Send("/queue/"+name, "", []byte("lost")))
		peer.disconnect()
		equal(t, left(t, broker, dialect, "/queue/"+name), []string{})
	})
}
