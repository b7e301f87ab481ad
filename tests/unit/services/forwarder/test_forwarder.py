"""The forwarder against real sockets on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from forwarder import Forwarder, parse_address

SERVICE = Path(__file__).parents[4] / "services" / "forwarder"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.asynccontextmanager
async def target(handler):
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    try:
        yield ("127.0.0.1", server.sockets[0].getsockname()[1])
    finally:
        server.close()


@contextlib.asynccontextmanager
async def forwarding(*targets, **options):
    forwarder = Forwarder(targets, **options)
    server = await forwarder.serve(("127.0.0.1", 0))
    try:
        yield forwarder, server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def answer_after_end(reader, writer):
    """Answers only when the question is complete: needs a half-closed connection."""
    writer.write(b"<" + await reader.read() + b">")
    await writer.drain()
    writer.close()


def named(name: bytes):
    async def handler(_reader, writer):
        writer.write(name)
        await writer.drain()
        writer.close()

    return handler


async def ask(port: int, question: bytes = b"") -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(question)
    writer.write_eof()
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return answer


@pytest.mark.parametrize(
    ("text", "expected"),
    [("127.0.0.1:8443", ("127.0.0.1", 8443)), ("[::1]:1", ("::1", 1)), ("localhost:0", ("localhost", 0))],
)
def test_addresses(text, expected):
    assert parse_address(text) == expected


@pytest.mark.parametrize("text", ["8443", ":8443", "host:", "host:http", "host:70000", ""])
def test_bad_addresses(text):
    with pytest.raises(ValueError, match="host:port"):
        parse_address(text)


def test_half_closed_connection_gets_its_answer():
    async def run():
        async with target(answer_after_end) as address, forwarding(address) as (_forwarder, port):
            assert await ask(port, b"question") == b"<question>"

    asyncio.run(run())


def test_large_transfer_arrives_whole_both_ways():
    data = os.urandom(8 * 2**20)

    async def run():
        async with target(answer_after_end) as address, forwarding(address) as (forwarder, port):
            assert await ask(port, data) == b"<" + data + b">"
            await asyncio.sleep(0.1)
            assert forwarder.open == 0

    asyncio.run(run())


def test_refusing_target_is_passed_over_and_the_answering_one_remembered():
    async def run():
        async with target(named(b"second")) as address, forwarding(("127.0.0.1", free_port()), address) as (forwarder, port):
            assert await ask(port) == b"second"
            assert forwarder.preferred == 1
            assert await ask(port) == b"second"

    asyncio.run(run())


def test_falls_back_to_the_first_when_the_second_goes_away():
    async def run():
        async with target(named(b"first")) as first, target(named(b"second")) as second, forwarding(first, second) as (forwarder, port):
            forwarder.preferred = 1
            assert await ask(port) == b"second"
            forwarder.targets = [first, ("127.0.0.1", free_port())]
            assert await ask(port) == b"first"

    asyncio.run(run())


def test_silent_target_is_passed_over_within_the_limit():
    async def run():
        # A full backlog never answers the handshake: the closest to a machine that hangs.
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen(0)
            fillers = []
            for _number in range(3):
                filler = socket.socket()
                filler.setblocking(False)
                filler.connect_ex(silent.getsockname())
                fillers.append(filler)
            async with target(named(b"alive")) as address, forwarding(silent.getsockname(), address, connect_seconds=0.3) as (_forwarder, port):
                start = asyncio.get_running_loop().time()
                assert await ask(port) == b"alive"
                assert 0.25 < asyncio.get_running_loop().time() - start < 3
            for filler in fillers:
                filler.close()

    asyncio.run(run())


def test_no_target_closes_the_connection():
    async def run():
        async with forwarding(("127.0.0.1", free_port())) as (forwarder, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            with contextlib.suppress(ConnectionError):
                assert await asyncio.wait_for(reader.read(), 5) == b""
            writer.close()
            assert forwarder.open == 0

    asyncio.run(run())


def test_limit_of_connections():
    async def hold(reader, writer):
        writer.write(b"held")
        await reader.read()
        writer.close()

    async def run():
        async with target(hold) as address, forwarding(address, connections=2) as (forwarder, port):
            held = [await asyncio.open_connection("127.0.0.1", port) for _number in range(2)]
            for reader, _writer in held:
                assert await reader.readexactly(4) == b"held"
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            with contextlib.suppress(ConnectionError):
                assert await asyncio.wait_for(reader.read(), 5) == b""
            writer.close()
            assert forwarder.open == 2
            for _reader, writer in held:
                writer.close()
            for _number in range(50):
                if forwarder.open == 0:
                    break
                await asyncio.sleep(0.05)
            assert forwarder.open == 0
            assert await ask(port) == b"held"

    asyncio.run(run())


def test_peer_that_breaks_off_frees_the_target():
    ended = asyncio.Event()

    async def watch(reader, writer):
        with contextlib.suppress(ConnectionError):
            while await reader.read(1000):
                pass
        ended.set()
        writer.close()

    async def run():
        async with target(watch) as address, forwarding(address) as (forwarder, port):
            _reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.1)
            writer.transport.abort()
            await asyncio.wait_for(ended.wait(), 5)
            await asyncio.sleep(0.1)
            assert forwarder.open == 0

    asyncio.run(run())


def test_program_forwards_and_ends_on_sigterm():
    async def run():
        async with target(named(b"program")) as address:
            port = free_port()
            arguments = ["-m", "forwarder", "--listen", f"127.0.0.1:{port}", "--target", f"{address[0]}:{address[1]}"]
            program = subprocess.Popen([sys.executable, *arguments], env={"PYTHONPATH": str(SERVICE)}, stderr=subprocess.PIPE, text=True)
            try:
                assert program.stderr is not None
                assert f"listening on 127.0.0.1:{port}" in await asyncio.to_thread(program.stderr.readline)
                assert await ask(port) == b"program"
            finally:
                program.send_signal(signal.SIGTERM)
                assert await asyncio.to_thread(program.wait, 5) == 0
                program.stderr.close()

    asyncio.run(run())
