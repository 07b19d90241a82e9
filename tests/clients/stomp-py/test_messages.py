"""Queues, topics, bodies, headers, receipts."""

import os

import pytest

from broker import WAIT
from client import ALL, Client, Dialect


def test_queue(client, queue):
    peer = client()
    id = peer.subscribe(queue)
    peer.send(queue, "hello", content_type="text/plain", colour="red")
    message = peer.message()
    assert message.body == "hello"
    assert message.headers["destination"] == queue
    assert message.headers["content-type"] == "text/plain"
    assert message.headers["colour"] == "red"
    assert message.headers["message-id"]
    assert message.headers["subscription"] == id


def test_queue_keeps_messages_in_order(client, queue):
    peer = client()
    for number in range(50):
        peer.connection.send(queue, str(number))
    peer.subscribe(queue)
    assert peer.bodies(50) == [str(number) for number in range(50)]


def test_consumers_share_a_queue(client, queue):
    producer, first, second = client(), client(), client()
    for consumer in (first, second):
        consumer.subscribe(queue, ack="client-individual")
    for number in range(20):
        producer.send(queue, str(number))
    # In turn, so that each gets half.
    shares = [consumer.bodies(10) for consumer in (first, second)]
    assert sorted(map(int, shares[0] + shares[1])) == list(range(20))


def test_topic_gives_to_all_that_subscribed(client, topic):
    producer, first, second = client(), client(), client()
    producer.send(topic, "too early")
    for subscriber in (first, second):
        subscriber.subscribe(topic)
    producer.send(topic, "news")
    for subscriber in (first, second):
        assert subscriber.message().body == "news"


def test_two_subscriptions_of_a_connection(client, queue, topic):
    peer = client()
    to_queue = peer.subscribe(queue)
    to_topic = peer.subscribe(topic)
    peer.send(queue, "one")
    peer.send(topic, "two")
    messages = [peer.message(), peer.message()]
    assert {m.body: m.headers["subscription"] for m in messages} == {
        "one": to_queue,
        "two": to_topic,
    }


def test_unsubscribe(client, queue):
    peer, other = client(), client()
    id = peer.subscribe(queue)
    peer.send(queue, "before")
    assert peer.message().body == "before"
    peer.unsubscribe(id)
    peer.send(queue, "after")
    other.subscribe(queue)
    assert other.message().body == "after"
    # Had the first got one, it would have come before this receipt.
    peer.send(queue, "fence")
    assert peer.seen.messages.empty()


def test_subscription_id_may_be_used_again(client, queue):
    peer = client()
    peer.unsubscribe(peer.subscribe(queue, id="same"))
    peer.subscribe(queue, id="same")
    peer.send(queue, "hello")
    assert peer.message().headers["subscription"] == "same"


def test_unicode(client, queue):
    peer = client()
    peer.subscribe(queue)
    text = "Grüße, 世界 🌍 \u2028 \ufeff"
    peer.send(queue, text, naïve="crème brûlée 🍮")
    message = peer.message()
    assert message.body == text
    assert message.headers["naïve"] == "crème brûlée 🍮"


def test_null_in_a_body(client, queue):
    peer = client()
    peer.subscribe(queue)
    peer.send(queue, "a\0b\0\0c\n")
    assert peer.message().body == "a\0b\0\0c\n"


@pytest.mark.parametrize("dialect", [d for d in ALL if d.carries_any_byte], ids=str)
def test_every_byte(client, queue, dialect):
    peer = client(auto_decode=False)
    peer.subscribe(queue)
    body = bytes(range(256)) * 4
    peer.send(queue, body)
    assert peer.message().body == body


def test_empty_body(client, queue):
    peer = client()
    peer.subscribe(queue)
    peer.send(queue, "")
    assert peer.message().body == ""


def test_body_without_content_length(client, queue):
    peer = client(auto_content_length=False)
    peer.subscribe(queue)
    peer.send(queue, "up to the null")
    assert peer.message().body == "up to the null"


def test_a_mebibyte(client, queue, dialect):
    peer = client(auto_decode=False)
    peer.subscribe(queue)
    body = os.urandom(1 << 20) if dialect.carries_any_byte else b"0123456789abcdef" * (1 << 16)
    peer.send(queue, body)
    assert peer.message().body == body


ESCAPED = {
    "1.0": "plain",
    "1.1": "c:\\new \\\\ two\nlines: end",
    "1.2": "c:\\new \\\\ two\r\nlines: end",
}


def test_escaped_headers(client, queue, dialect):
    peer = client()
    peer.subscribe(queue)
    peer.send(queue, "body", odd=ESCAPED[dialect.version])
    assert peer.message().headers["odd"] == ESCAPED[dialect.version]


@pytest.mark.parametrize("consumer", ["1.0", "1.1", "1.2"])
@pytest.mark.parametrize("producer", ["1.0", "1.1", "1.2"])
def test_versions_understand_each_other(broker, producer, consumer, queue):
    sender, receiver = Client(broker, Dialect(producer)), Client(broker, Dialect(consumer))
    receiver.subscribe(queue)
    sender.send(queue, "across", odd="key=value")
    message = receiver.message()
    assert message.body == "across"
    assert message.headers["odd"] == "key=value"
    sender.disconnect()
    receiver.disconnect()


def test_receipts_come_in_order(client, queue):
    peer = client()
    asked = [f"odd: {number}" if peer.dialect.version != "1.0" else str(number) for number in range(100)]
    for receipt in asked:
        peer.connection.send(queue, "x", receipt=receipt)
    assert [peer.seen.receipts.get(timeout=WAIT) for _ in asked] == asked
