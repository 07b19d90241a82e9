"""What the broker adds to the protocol."""

import time

import pytest


@pytest.mark.parametrize("kind", ["queue", "topic"])
def test_selector(client, name, kind):
    destination = f"/{kind}/{name}"
    peer = client()
    peer.subscribe(destination, selector="colour = 'red' AND size > 5")
    peer.send(destination, "small", colour="red", size="3")
    peer.send(destination, "blue", colour="blue", size="9")
    peer.send(destination, "none")
    peer.send(destination, "right", colour="red", size="9")
    assert peer.message().body == "right"


def test_what_a_selector_leaves_is_for_others(client, queue):
    picky, other = client(), client()
    picky.subscribe(queue, selector="colour = 'red'")
    picky.send(queue, "1", colour="blue")
    picky.send(queue, "2", colour="red")
    assert picky.message().body == "2"
    other.subscribe(queue)
    assert other.message().body == "1"


def test_bad_selector(client, queue):
    peer = client()
    peer.connection.subscribe(queue, id="1", selector="colour = = 'red'", receipt="r")
    error = peer.error()
    assert error.headers["receipt-id"] == "r"
    assert error.headers["x-error-code"] == "invalid-selector"


DURABLE = [
    {"activemq.subscriptionName": "news"},
    {"activemq.subcriptionName": "news"},
    {"durable-subscription-name": "news"},
    {"durable-subscriber-name": "news"},
    {"durable": "true", "auto-delete": "false"},
    {"persistent": "true"},
]


@pytest.mark.parametrize("headers", DURABLE, ids=lambda headers: next(iter(headers)))
def test_durable_subscription(client, topic, name, headers):
    identity = {"client-id": name}
    publisher = client()
    subscriber = client(headers=identity)
    subscriber.subscribe(topic, id="durable", **headers)
    publisher.send(topic, "1")
    assert subscriber.message().body == "1"
    subscriber.disconnect()

    publisher.send(topic, "2")
    subscriber = client(headers=identity)
    subscriber.subscribe(topic, id="durable", **headers)
    assert subscriber.message().body == "2"
    # With the same headers, so that it is removed, not only left.
    subscriber.unsubscribe("durable", **headers)
    subscriber.disconnect()

    publisher.send(topic, "3")
    subscriber = client(headers=identity)
    subscriber.subscribe(topic, id="durable", **headers)
    publisher.send(topic, "4")
    assert subscriber.message().body == "4"
    subscriber.unsubscribe("durable", **headers)


def answer(service):
    request = service.message()
    service.send(
        request.headers["reply-to"],
        request.body.upper(),
        **{"correlation-id": request.headers["correlation-id"]},
    )


def test_reply_to_a_temporary_queue_that_was_subscribed_to(client, queue):
    service, caller = client(), client()
    service.subscribe(queue)
    id = caller.subscribe("/temp-queue/replies")
    caller.send(queue, "ask", **{"reply-to": "/temp-queue/replies", "correlation-id": "7"})
    answer(service)
    reply = caller.message()
    assert reply.body == "ASK"
    assert reply.headers["correlation-id"] == "7"
    assert reply.headers["subscription"] == id


def test_reply_to_a_temporary_queue_without_a_subscription(client, queue):
    service, caller = client(), client()
    service.subscribe(queue)
    caller.send(queue, "ask", **{"reply-to": "/temp-queue/replies", "correlation-id": "8"})
    answer(service)
    reply = caller.message()
    assert reply.body == "ASK"
    assert reply.headers["subscription"] == "/temp-queue/replies"


def test_temporary_queues_of_two_connections_are_two(client, queue):
    service, first, second = client(), client(), client()
    service.subscribe(queue)
    for caller in (first, second):
        caller.subscribe("/temp-queue/replies")
    for caller, body in ((second, "b"), (first, "a")):
        caller.send(queue, body, **{"reply-to": "/temp-queue/replies", "correlation-id": body})
        answer(service)
    assert first.message().body == "A"
    assert second.message().body == "B"


@pytest.mark.parametrize("header", ["activemq.prefetchSize", "prefetch-count"])
def test_prefetch(client, queue, header):
    consumer, other = client(), client()
    consumer.subscribe(queue, ack="client-individual", **{header: "1"})
    for body in "123":
        consumer.send(queue, body)
    first = consumer.message()
    assert first.body == "1"
    # A second message would have come before that receipt.
    consumer.send(queue + "-fence", "")
    assert consumer.seen.messages.empty()
    consumer.ack(first)
    assert consumer.message().body == "2"
    other.subscribe(queue)
    assert other.message().body == "3"


def test_expired_message_is_not_delivered(client, queue):
    peer = client()
    now = int(time.time() * 1000)
    peer.send(queue, "late", expires=str(now - 60_000))
    peer.send(queue, "in time", expires=str(now + 600_000))
    peer.subscribe(queue)
    message = peer.message()
    assert message.body == "in time"
    assert message.headers["expires"] == str(now + 600_000)


def test_priority(client, queue):
    peer = client()
    peer.send(queue, "low", priority="1")
    peer.send(queue, "usual")
    peer.send(queue, "high", priority="9")
    peer.send(queue, "high too", priority="9")
    peer.subscribe(queue)
    assert peer.bodies(4) == ["high", "high too", "usual", "low"]


@pytest.mark.parametrize("dialect", ["1.1-tcp", "1.2-tcp", "1.2-ws-text"], indirect=True)
def test_redelivered(client, queue, dialect):
    peer = client()
    peer.subscribe(queue, ack="client-individual")
    peer.send(queue, "x")
    first = peer.message()
    assert first.headers.get("redelivered", "false") == "false"
    peer.nack(first)
    again = peer.message()
    assert again.headers["redelivered"] == "true"
    assert again.headers["x-delivery-count"] == "1"
    peer.ack(again)


@pytest.mark.parametrize("dialect", ["1.1-tcp", "1.2-tcp", "1.2-ws-text"], indirect=True)
def test_nack_without_requeue_is_a_dead_letter(client, queue, name, dialect):
    peer = client()
    peer.subscribe(queue, ack="client-individual")
    peer.send(queue, "poison")
    peer.nack(peer.message(), requeue="false")
    peer.subscribe(f"/queue/DLQ.{name}", id="dead")
    dead = peer.message()
    assert dead.headers["subscription"] == "dead"
    assert dead.body == "poison"


@pytest.mark.parametrize("pattern", ["{}.*.end", "{}.#", "{}.**", "{}.>"])
def test_wildcards(client, topic, pattern):
    peer = client()
    peer.subscribe(pattern.format(topic))
    peer.send(f"{topic}.middle.end", "hello")
    message = peer.message()
    assert message.body == "hello"
    assert message.headers["destination"] == f"{topic}.middle.end"
