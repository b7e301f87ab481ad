# Copyright: (c) 2026, the airavata.jupyterhub developers
# SPDX-License-Identifier: Apache-2.0
"""Forward a TCP port of the deploy host to the first node that answers.

Bytes only: TLS ends at the hub's proxy, so nothing here sees what is in a connection. Standard library only.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Sequence
from dataclasses import dataclass

Address = tuple[str, int]
CHUNK_BYTES = 65536
log = logging.getLogger("forwarder")


def parse_address(text: str) -> Address:
    """Read "host:port" (an IPv6 host in brackets). ValueError when it is anything else."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"'{text}' is not of the form host:port")
    return host, int(port)


@dataclass
class Forwarder:
    """Accepts connections and carries each to the first of ``targets`` that answers, beginning with the one that answered last.

    ``connect_seconds`` bounds the try at one target, ``connections`` how many there may be at once: more are closed at once.
    """

    targets: Sequence[Address]
    connect_seconds: float = 5.0
    connections: int = 1000
    open: int = 0
    preferred: int = 0

    async def serve(self, listen: Address) -> asyncio.Server:
        """Listen. OSError when the address is taken."""
        return await asyncio.start_server(self.handle, *listen, limit=CHUNK_BYTES, backlog=256)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection, until both sides have ended theirs or one breaks."""
        if self.open >= self.connections:
            log.warning("%d connections are open, which is the limit: one more was refused", self.open)
            writer.transport.abort()
            return
        self.open += 1
        try:
            with contextlib.suppress(ConnectionError, OSError):
                await self.carry(reader, writer)
        finally:
            self.open -= 1
            writer.transport.abort()  # after an orderly end nothing is left to send; else this frees the peer at once

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Join a connection to a target."""
        upstream = await self.connect()
        if upstream is None:
            log.warning("no target answers: %s", ", ".join(f"{host}:{port}" for host, port in self.targets))
            return
        keep_alive(writer)
        keep_alive(upstream[1])
        ways = [asyncio.create_task(pump(reader, upstream[1])), asyncio.create_task(pump(upstream[0], writer))]
        try:
            await asyncio.gather(*ways)
            for end in (upstream[1], writer):
                end.close()
                await end.wait_closed()
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            upstream[1].transport.abort()

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """Open a connection to the first target that answers; None when none does."""
        for step in range(len(self.targets)):
            index = (self.preferred + step) % len(self.targets)
            try:
                opened = await asyncio.wait_for(asyncio.open_connection(*self.targets[index], limit=CHUNK_BYTES), self.connect_seconds)
            except (OSError, asyncio.TimeoutError):
                continue
            self.preferred = index
            return opened
        return None


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy one direction to its end, no faster than the other side takes it; then end only this direction."""
    while data := await reader.read(CHUNK_BYTES):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


def keep_alive(writer: asyncio.StreamWriter) -> None:
    """Let the kernel find peers that vanished: a notebook's websocket may be silent for hours, a dead one must not stay for ever."""
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
