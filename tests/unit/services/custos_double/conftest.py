from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.unit.services.custos_double.server import Server


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
