package gostomp

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-stomp/stomp/v3"
)

// each runs a test in each of the dialects, against one broker.
func each(t *testing.T, test func(t *testing.T, broker *Broker, dialect Dialect, name string)) {
	broker := startBroker(t)
	for _, dialect := range dialects {
		dialect := dialect
		t.Run(dialect.String(), func(t *testing.T) {
			test(t, broker, dialect, strings.ReplaceAll(t.Name(), "/", "-"))
		})
	}
}

func TestConnectAndDisconnectWithReceipt(t *testing.T) {
	each(t, func(t *testing.T, broker *Broker, dialect Dialect, _ string) {
		peer := connect(t, broker, dialect)
		if peer.Version() != dialect.Version {
			t.Fatalf("asked for %s, got %s", dialect.Version, peer.Version())
		}
		if peer.Session() == "" || peer.Server() == "" {
			t.Fatal("no session or server")
		}
		peer.disconnect()
		if err := peer.Send("/queue/x", "", nil); err != stomp.ErrAlreadyClosed {
			t.Fatal(err)
		}
	})
}

func TestStompCommand(t *testing.T) {
	each(t, func(t *testing.T, broker *Broker, dialect Dialect, _ string) {
		if dialect.Version == stomp.V10 {
			return
		}
		connect(t, broker, dialect, stomp.ConnOpt.UseStomp).fence()
	})
}

func TestTheHighestVersionIsAgreed(t *testing.T) {
	broker := startBroker(t)
	peer := connect(t, broker, Dialect{stomp.V10, "tcp"}, stomp.ConnOpt.AcceptVersion(stomp.V12, stomp.V11))
	if peer.Version() != stomp.V12 {
		t.Fatal(peer.Version())
	}
}

func TestHeartBeats(t *testing.T) {
	broker := startBroker(t, "--heart-beat", "1000,1000")
	for _, dialect := range dialects {
		if dialect.Version == stomp.V10 {
			continue
		}
		dialect := dialect
		t.Run(dialect.String(), func(t *testing.T) {
			peer := connect(t, broker, dialect,
				stomp.ConnOpt.HeartBeat(time.Second, time.Second),
				// For a machine that is busy.
				stomp.ConnOpt.HeartBeatGracePeriodMultiplier(10),
				stomp.ConnOpt.WithStats())
			// The broker gives up after two intervals without a beat, so it gets them.
			deadline := time.Now().Add(wait)
			for peer.Stats().ReadsReceived < 4 {
				if time.Now().After(deadline) {
					t.Fatal("no heart-beats")
				}
				time.Sleep(10 * time.Millisecond)
			}
			peer.fence()
		})
	}
}

func TestLogin(t *testing.T) {
	broker := startBroker(t, "--user", "ann:secret")
	for _, dialect := range dialects {
		connect(t, broker, dialect, stomp.ConnOpt.Login("ann", "secret")).fence()
		for _, passcode := range []string{"wrong", ""} {
			_, err := dialect.dial(broker, stomp.ConnOpt.Login("ann", passcode))
			var refused stomp.Error
			if !errors.As(err, &refused) || refused.Frame.Command != "ERROR" {
				t.Fatal(dialect, err)
			}
		}
	}
}

func TestErrorForABadDestination(t *testing.T) {
	each(t, func(t *testing.T, broker *Broker, dialect Dialect, name string) {
		peer := connect(t, broker, dialect)
		subscription := peer.subscribe("/queue/"+name, stomp.AckAuto)
		err := peer.Send("/nowhere/x", "", nil, stomp.SendOpt.Receipt)
		var refused stomp.Error
		if !errors.As(err, &refused) || refused.Frame.Header.Get("receipt-id") == "" {
			t.Fatal(err)
		}
		if text := refused.Message + string(refused.Frame.Body); !strings.Contains(text, "/nowhere/x") {
			t.Fatal(text)
		}
		if message := next(t, subscription); message.Err == nil {
			t.Fatal("the subscription goes on")
		}
	})
}

func TestErrorForAnUnknownTransaction(t *testing.T) {
	each(t, func(t *testing.T, broker *Broker, dialect Dialect, name string) {
		peer := connect(t, broker, dialect)
		err := peer.Send("/queue/"+name, "", nil, stomp.SendOpt.Receipt, header("transaction", "never-begun"))
		if err == nil || !strings.Contains(err.Error(), "never-begun") {
			t.Fatal(err)
		}
	})
}

func TestErrorForASecondAcknowledgement(t *testing.T) {
	each(t, func(t *testing.T, broker *Broker, dialect Dialect, name string) {
		peer := connect(t, broker, dialect)
		subscription := peer.subscribe("/queue/"+name, stomp.AckClientIndividual)
		peer.send("/queue/"+name, "once")
		message := receive(t, subscription)
		check(t, peer.Ack(message))
		check(t, peer.Ack(message))
		if message := next(t, subscription); message.Err == nil {
			t.Fatal("the subscription goes on")
		}
	})
}

func TestConnectAgainAfterARestart(t *testing.T) {
	broker := startBroker(t)
	for _, dialect := range dialects {
		dialect := dialect
		t.Run(dialect.String(), func(t *testing.T) {
			peer := connect(t, broker, dialect)
			subscription := peer.subscribe("/queue/restart", stomp.AckAuto)
			broker.Stop()
			if message := next(t, subscription); message.Err == nil {
				t.Fatal("the subscription goes on")
			}
			broker.StartAgain(t)
			peer = connect(t, broker, dialect)
			subscription = peer.subscribe("/queue/restart", stomp.AckAuto)
			peer.send("/queue/restart", "after")
			if body := receive(t, subscription).Body; string(body) != "after" {
				t.Fatal(string(body))
			}
		})
	}
}
