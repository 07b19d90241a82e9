"""Acknowledgement modes and transactions."""

import pytest

from client import ALL, Dialect


def left(client, queue):
    """What another consumer finds in the queue."""
    other = client()
    other.send(queue, "end")
    other.subscribe(queue)
    found = []
    while (body := other.message().body) != "end":
        found.append(body)
    return found


def sent(peer, queue, number):
    """That many messages sent and received, not acknowledged."""
    for each in range(1, number + 1):
        peer.send(queue, str(each))
    return [peer.message() for _ in range(number)]


def test_auto(client, queue):
    peer = client()
    peer.subscribe(queue, ack="auto")
    sent(peer, queue, 3)
    peer.disconnect()
    assert left(client, queue) == []


def test_client_is_cumulative(client, queue):
    peer = client()
    peer.subscribe(queue, ack="client")
    messages = sent(peer, queue, 5)
    peer.ack(messages[2])
    peer.disconnect()
    assert left(client, queue) == ["4", "5"]


def test_client_individual(client, queue):
    peer = client()
    peer.subscribe(queue, ack="client-individual")
    messages = sent(peer, queue, 5)
    peer.ack(messages[1])
    peer.ack(messages[3])
    peer.disconnect()
    assert left(client, queue) == ["1", "3", "5"]


def test_unsubscribe_gives_back(client, queue):
    peer = client()
    id = peer.subscribe(queue, ack="client-individual")
    messages = sent(peer, queue, 3)
    peer.ack(messages[0])
    peer.unsubscribe(id)
    assert left(client, queue) == ["2", "3"]


def test_lost_connection_gives_back(client, queue):
    peer = client()
    peer.subscribe(queue, ack="client")
    sent(peer, queue, 2)
    # The ERROR ends the connection.
    peer.connection.commit("never-begun")
    peer.error()
    assert left(client, queue) == ["1", "2"]


@pytest.mark.parametrize("dialect", [d for d in ALL if d.has_nack], ids=str)
@pytest.mark.parametrize("ack", ["client", "client-individual"])
def test_nack_gives_the_message_to_somebody_again(client, queue, dialect, ack):
    peer = client()
    peer.subscribe(queue, ack=ack)
    (message,) = sent(peer, queue, 1)
    peer.nack(message)
    again = peer.message()
    assert again.body == "1"
    peer.ack(again)
    peer.disconnect()
    assert left(client, queue) == []


@pytest.mark.parametrize("dialect", [Dialect("1.0")], ids=str)
def test_no_nack_in_1_0(client, queue, dialect):
    peer = client()
    peer.subscribe(queue, ack="client")
    (message,) = sent(peer, queue, 1)
    peer.connection.send_frame("NACK", {"message-id": message.headers["message-id"]})
    assert "NACK" in peer.error().headers["message"]


def test_commit_sends(client, queue):
    producer, consumer = client(), client()
    consumer.subscribe(queue)
    transaction = producer.connection.begin()
    for number in range(3):
        producer.send(queue, str(number), transaction=transaction)
    consumer.send(queue, "fence")
    assert consumer.message().body == "fence"
    producer.finish(producer.connection.commit, transaction)
    assert consumer.bodies(3) == ["0", "1", "2"]


def test_abort_sends_nothing(client, queue):
    peer = client()
    transaction = peer.connection.begin()
    peer.send(queue, "lost", transaction=transaction)
    peer.finish(peer.connection.abort, transaction)
    assert left(client, queue) == []


def test_end_of_a_connection_aborts(client, queue):
    peer = client()
    peer.send(queue, "lost", transaction=peer.connection.begin("mine"))
    peer.disconnect()
    assert left(client, queue) == []


def test_two_transactions_at_once(client, queue):
    peer = client()
    kept, dropped = peer.connection.begin("kept"), peer.connection.begin("dropped")
    peer.send(queue, "1", transaction=kept)
    peer.send(queue, "2", transaction=dropped)
    peer.send(queue, "3", transaction=kept)
    peer.finish(peer.connection.abort, dropped)
    peer.finish(peer.connection.commit, kept)
    assert left(client, queue) == ["1", "3"]


def test_commit_acknowledges(client, queue):
    peer = client()
    peer.subscribe(queue, ack="client-individual")
    messages = sent(peer, queue, 3)
    transaction = peer.connection.begin()
    peer.ack(messages[0], transaction=transaction)
    peer.ack(messages[2], transaction=transaction)
    peer.finish(peer.connection.commit, transaction)
    peer.disconnect()
    assert left(client, queue) == ["2"]


def test_abort_acknowledges_nothing(client, queue):
    peer = client()
    peer.subscribe(queue, ack="client-individual")
    messages = sent(peer, queue, 2)
    transaction = peer.connection.begin()
    peer.ack(messages[0], transaction=transaction)
    peer.finish(peer.connection.abort, transaction)
    peer.ack(messages[1])
    peer.disconnect()
    assert left(client, queue) == ["1"]


def test_a_message_moves_from_queue_to_queue(client, queue):
    peer = client()
    peer.subscribe(queue, ack="client")
    (message,) = sent(peer, queue, 1)
    transaction = peer.connection.begin()
    peer.send(queue + "-next", message.body, transaction=transaction)
    peer.ack(message, transaction=transaction)
    peer.finish(peer.connection.commit, transaction)
    peer.disconnect()
    assert left(client, queue) == []
    assert left(client, queue + "-next") == ["1"]
