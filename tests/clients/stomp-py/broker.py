"""The real broker, started on free ports."""

import os
import subprocess
import tempfile
from urllib.parse import urlsplit

WAIT = 20
"""Seconds after which something that should have happened counts as a hang."""


class Broker:
    """`stompbox serve`, which keeps everything in memory."""

    def __init__(self, *options):
        self._options = options
        self._process = None
        self._folder = tempfile.TemporaryDirectory()
        self._start("127.0.0.1:0", "127.0.0.1:0")

    def _start(self, stomp, http):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("STOMPBOX_")}
        self._process = subprocess.Popen(
            [os.environ["STOMPBOX_BIN"], "serve", "--stomp", stomp, "--http", http, *self._options],
            env={**environment, "STOMPBOX_MEMORY": "true"},
            cwd=self._folder.name,
            stdout=subprocess.PIPE,
            text=True,
        )
        addresses = {}
        for line in self._process.stdout:
            name, url = line.split()[:2]
            addresses[name] = urlsplit(url)
            if "STOMP" in addresses and "WebSocket" in addresses:
                break
        self.tcp = (addresses["STOMP"].hostname, addresses["STOMP"].port)
        self.websocket = (addresses["WebSocket"].hostname, addresses["WebSocket"].port)
        self.path = addresses["WebSocket"].path

    def stop(self):
        """Ends it as a service manager would."""
        self._process.terminate()
        self._process.wait(WAIT)
        self._process.stdout.close()

    def start_again(self):
        """On the same ports, after `stop`."""
        self._start("%s:%d" % self.tcp, "%s:%d" % self.websocket)

    def close(self):
        if self._process.poll() is None:
            self.stop()
        self._folder.cleanup()
