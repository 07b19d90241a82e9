from itertools import count

import pytest

from broker import Broker
from client import ALL, Client, Dialect

NUMBERS = count(1)


@pytest.fixture(scope="session")
def broker():
    broker = Broker()
    yield broker
    broker.close()


@pytest.fixture
def name():
    """A destination's name that no other test has."""
    return f"test-{next(NUMBERS)}"


@pytest.fixture
def queue(name):
    return f"/queue/{name}"


@pytest.fixture
def topic(name):
    return f"/topic/{name}"


@pytest.fixture(params=ALL, ids=str)
def dialect(request):
    param = request.param
    return Dialect(*param.split("-", 1)) if isinstance(param, str) else param


@pytest.fixture
def client(broker, dialect):
    """Connects a client to the shared broker; may be called more than once."""
    clients = []

    def connect(**options):
        clients.append(Client(broker, dialect, **options))
        return clients[-1]

    yield connect
    for each in clients:
        each.close()
