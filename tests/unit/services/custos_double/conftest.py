from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.unit.services.custos_double.server import Server, make_child


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("custos")).start()
    yield running
    running.stop()


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    server.calm()
    with server.client() as opened:
        yield opened


@pytest.fixture
def child(server: Server, client: httpx.Client) -> dict[str, Any]:
    """A fresh child tenant with its credentials."""
    return make_child(client, server.parent)
