"""A stomp.py connection with a listener that keeps what comes, whatever the version and transport."""

from dataclasses import dataclass
from itertools import count
from queue import Queue

import stomp
from stomp.adapter.ws import WSStompConnection

from broker import WAIT


@dataclass(frozen=True)
class Dialect:
    """A version over a transport; stomp.py has only 1.2 over WebSocket."""

    version: str
    transport: str = "tcp"

    def __str__(self):
        return f"{self.version}-{self.transport}"

    @property
    def has_nack(self):
        return self.version != "1.0"

    @property
    def carries_any_byte(self):
        """A WebSocket's text message has to be UTF-8."""
        return self.transport != "ws-text"

    def connection(self, broker, **options):
        if self.transport == "tcp":
            kind = {
                "1.0": stomp.StompConnection10,
                "1.1": stomp.StompConnection11,
                "1.2": stomp.StompConnection12,
            }[self.version]
            return kind([broker.tcp], **options)
        return WSStompConnection(
            [broker.websocket],
            ws_path=broker.path,
            header={"Sec-WebSocket-Protocol": "v12.stomp"},
            binary_mode=self.transport == "ws-binary",
            **options,
        )


ALL = [
    Dialect("1.0"),
    Dialect("1.1"),
    Dialect("1.2"),
    Dialect("1.2", "ws-text"),
    Dialect("1.2", "ws-binary"),
]


class Recorder(stomp.ConnectionListener):
    """Keeps what the broker says, for a test to take in order."""

    def __init__(self):
        self.connected = Queue()
        self.disconnects = Queue()
        self.messages = Queue()
        self.receipts = Queue()
        self.errors = Queue()
        self.beats = Queue()

    def on_connected(self, frame):
        self.connected.put(frame)

    def on_disconnected(self):
        self.disconnects.put(True)

    def on_message(self, frame):
        self.messages.put(frame)

    def on_receipt(self, frame):
        self.receipts.put(frame.headers["receipt-id"])

    def on_error(self, frame):
        self.errors.put(frame)

    def on_heartbeat(self):
        self.beats.put(True)


class Client:
    """The calls that differ between versions, and waiting."""

    def __init__(self, broker, dialect, connect=True, headers=None, **options):
        self.dialect = dialect
        self.seen = Recorder()
        self.connection = dialect.connection(broker, **options)
        self.connection.set_listener("recorder", self.seen)
        self._receipts = count(1)
        self._subscriptions = count(1)
        if connect:
            self.connection.connect(wait=True, headers=headers)

    def receipt(self):
        return f"receipt-{next(self._receipts)}"

    def confirm(self, receipt):
        """Waits for a receipt; those before it must have been waited for."""
        assert self.seen.receipts.get(timeout=WAIT) == receipt

    def send(self, destination, body, **headers):
        """Sends, and waits until the broker has the message."""
        receipt = self.receipt()
        self.connection.send(destination, body, receipt=receipt, **headers)
        self.confirm(receipt)

    def subscribe(self, destination, ack="auto", id=None, **headers):
        """Subscribes, and waits until that is in force; returns the id."""
        id = id or f"sub-{next(self._subscriptions)}"
        receipt = self.receipt()
        self.connection.subscribe(destination, id=id, ack=ack, receipt=receipt, **headers)
        self.confirm(receipt)
        return id

    def unsubscribe(self, id, **headers):
        receipt = self.receipt()
        self.connection.unsubscribe(id=id, receipt=receipt, **headers)
        self.confirm(receipt)

    def message(self):
        """The next message."""
        return self.seen.messages.get(timeout=WAIT)

    def bodies(self, number):
        return [self.message().body for _ in range(number)]

    def _answer(self, call, frame, **options):
        receipt = self.receipt()
        if self.dialect.version == "1.0":
            names = [frame.headers["message-id"]]
        elif self.dialect.version == "1.1":
            names = [frame.headers["message-id"], frame.headers["subscription"]]
        else:
            names = [frame.headers["ack"]]
        call(*names, receipt=receipt, **options)
        self.confirm(receipt)

    def ack(self, frame, transaction=None):
        self._answer(self.connection.ack, frame, transaction=transaction)

    def nack(self, frame, transaction=None, **headers):
        self._answer(self.connection.nack, frame, transaction=transaction, **headers)

    def finish(self, call, transaction):
        """Commits or aborts, and waits until that is done."""
        receipt = self.receipt()
        call(transaction, receipt=receipt)
        self.confirm(receipt)

    def error(self):
        """The ERROR frame, after which the broker has closed the connection."""
        frame = self.seen.errors.get(timeout=WAIT)
        self.seen.disconnects.get(timeout=WAIT)
        return frame

    def disconnect(self):
        """With a receipt, so that the broker has handled all before it."""
        receipt = self.receipt()
        self.connection.disconnect(receipt=receipt)
        self.confirm(receipt)
        self.seen.disconnects.get(timeout=WAIT)

    def close(self):
        if self.connection.is_connected():
            self.disconnect()
