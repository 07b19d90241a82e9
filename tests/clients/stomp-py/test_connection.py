"""Connecting, heart-beats, errors, restarts."""

import pytest
import stomp

from broker import WAIT, Broker
from client import Client, Dialect


def test_connect_and_disconnect_with_receipt(client, dialect):
    peer = client()
    connected = peer.seen.connected.get(timeout=WAIT)
    # A 1.0 CONNECTED may lack it.
    assert connected.headers.get("version", "1.0") == dialect.version
    peer.disconnect()
    assert not peer.connection.is_connected()


def test_connect_command(client):
    peer = client(connect=False)
    if isinstance(peer.connection, stomp.StompConnection10):
        peer.connection.connect(wait=True)
    else:
        peer.connection.connect(wait=True, with_connect_command=True)
    assert peer.connection.is_connected()


def test_context_manager(broker, dialect, queue):
    with dialect.connection(broker) as connection:
        connection.connect(wait=True)
        connection.send(queue, "kept")
    peer = Client(broker, dialect)
    peer.subscribe(queue)
    assert peer.message().body == "kept"
    peer.disconnect()


@pytest.mark.parametrize("kind", ["1.1-tcp", "1.2-tcp", "1.2-ws-text"])
def test_heart_beats(kind, queue):
    broker = Broker("--heart-beat", "1000,1000")
    dialect = Dialect(*kind.split("-", 1))
    # The scale is for a machine that is busy.
    peer = Client(broker, dialect, heartbeats=(1000, 1000), heart_beat_receive_scale=30)
    # The broker gives up after two intervals without a beat, so it gets them.
    for _ in range(4):
        peer.seen.beats.get(timeout=WAIT)
    peer.subscribe(queue)
    peer.send(queue, "still here")
    assert peer.message().body == "still here"
    peer.disconnect()
    broker.close()


def test_login(dialect):
    broker = Broker("--user", "ann:secret")
    right = Client(broker, dialect, connect=False)
    right.connection.connect("ann", "secret", wait=True)
    assert right.connection.is_connected()
    right.disconnect()
    for login, passcode in [("ann", "wrong"), ("eve", "secret"), (None, None)]:
        wrong = Client(broker, dialect, connect=False)
        with pytest.raises(stomp.exception.ConnectFailedException):
            wrong.connection.connect(login, passcode, wait=True)
    broker.close()


def test_error_for_a_bad_destination(client):
    peer = client()
    peer.connection.send("/nowhere/x", "lost", receipt="r")
    error = peer.error()
    assert error.headers["receipt-id"] == "r"
    assert "/nowhere/x" in error.headers["message"] + error.body
    assert not peer.connection.is_connected()


def test_error_for_an_unknown_transaction(client, queue):
    peer = client()
    peer.connection.send(queue, "lost", transaction="never-begun")
    assert "never-begun" in peer.error().headers["message"]


def test_error_for_an_unknown_command(client):
    peer = client()
    peer.connection.send_frame("FROB", {"receipt": "r"})
    assert "FROB" in peer.error().headers["message"]


def test_error_for_an_unknown_acknowledgement(client, queue, dialect):
    peer = client()
    id = peer.subscribe(queue, ack="client")
    if dialect.version == "1.1":
        peer.connection.ack("no-such-message", id)
    else:
        peer.connection.ack("no-such-message")
    assert "no-such-message" in peer.error().headers["message"]


class Reconnecting(stomp.ConnectionListener):
    """As stomp.py's documentation has it: connect and subscribe again from `on_disconnected`."""

    def __init__(self, peer, queue):
        self.peer = peer
        self.queue = queue
        self.wanted = True

    def on_disconnected(self):
        if self.wanted:
            self.peer.connection.connect(wait=True)
            self.peer.connection.subscribe(self.queue, id="again", receipt="again")


def test_reconnect_after_a_restart(dialect, queue):
    broker = Broker()
    # It tries at once, again and again: a broker that is about to end must not take the connection.
    peer = Client(broker, dialect, reconnect_attempts_max=-1, reconnect_sleep_max=0.2)
    peer.subscribe(queue)
    again = Reconnecting(peer, queue)
    # Listeners are called in the order of their names, and this one stays until the broker is back.
    peer.connection.set_listener("then-reconnect", again)
    broker.stop()
    peer.seen.disconnects.get(timeout=WAIT)
    broker.start_again()
    peer.confirm("again")
    peer.send(queue, "after")
    assert peer.message().body == "after"
    again.wanted = False
    peer.disconnect()
    broker.close()
