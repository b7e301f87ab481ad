"""A notebook kernel over its websocket: message frames, and running a cell.

Frames: https://jupyter-server.readthedocs.io, "WebSocket protocols". A server that does not offer the v1 subprotocol gets plain JSON.
"""

from __future__ import annotations

import json
import ssl
import time
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timezone
from types import TracebackType
from typing import Any

from websockets.exceptions import InvalidHandshake, WebSocketException
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from site_verify.errors import CellError, VerifyError

V1 = "v1.kernel.websocket.jupyter.org"
PARTS = ("header", "parent_header", "metadata", "content")


def encode_v1(message: dict[str, Any], channel: str) -> bytes:
    """One message as a v1 frame: number of offsets, offsets (64-bit little endian), channel, four JSON parts."""
    parts = [channel.encode()] + [json.dumps(message[name]).encode() for name in PARTS]
    offsets = [8 * (len(parts) + 2)]
    for part in parts:
        offsets.append(offsets[-1] + len(part))
    numbers = [len(offsets), *offsets]
    return b"".join([number.to_bytes(8, "little") for number in numbers] + parts)


def decode_v1(frame: bytes) -> dict[str, Any]:
    """The message of a v1 frame, with its ``channel``. Raises VerifyError for a broken frame."""
    try:
        count = int.from_bytes(frame[:8], "little")
        if not len(PARTS) + 2 <= count <= len(frame) // 8:
            raise ValueError(f"{count} offsets in {len(frame)} bytes")
        offsets = [int.from_bytes(frame[8 * i : 8 * i + 8], "little") for i in range(1, count + 1)]
        pieces = [frame[start:end] for start, end in zip(offsets, offsets[1:])]
        message: dict[str, Any] = {name: json.loads(piece) for name, piece in zip(PARTS, pieces[1:])}
        message["channel"] = pieces[0].decode()
        return message
    except ValueError as error:
        raise VerifyError(f"the kernel's websocket sent a frame that is no v1 message: {error}") from error


def request(kind: str, content: dict[str, Any], session: str) -> dict[str, Any]:
    """A new request message of the Jupyter protocol, version 5.3."""
    header = {
        "msg_id": uuid.uuid4().hex,
        "msg_type": kind,
        "username": "",
        "session": session,
        "date": datetime.now(timezone.utc).isoformat(),
        "version": "5.3",
    }
    return {"header": header, "parent_header": {}, "metadata": {}, "content": content, "buffers": []}


@dataclass
class CellOutput:
    """What one cell gave: text it printed, its value as text, and the exception's name and value when it raised."""

    printed: str = ""
    value: str = ""
    error: tuple[str, str] | None = None
    replied: bool = False
    idle: bool = False

    @property
    def done(self) -> bool:
        """True when the kernel has both answered and gone idle: all output has come."""
        return self.replied and self.idle

    def take(self, message: dict[str, Any], request_id: str) -> None:
        """Adds one message from the kernel; those that answer other requests are ignored."""
        if message.get("parent_header", {}).get("msg_id") != request_id:
            return
        kind, content = message["header"].get("msg_type"), message["content"]
        if kind == "stream" and content.get("name") == "stdout":
            self.printed += content.get("text", "")
        elif kind in {"execute_result", "display_data"}:
            self.value = content.get("data", {}).get("text/plain", "")
        elif kind == "error":
            self.error = (content.get("ename", ""), content.get("evalue", ""))
        elif kind == "execute_reply":
            self.replied = True
            if content.get("status") == "error" and self.error is None:
                self.error = (content.get("ename", ""), content.get("evalue", ""))
            elif content.get("status") in {"aborted", "abort"}:
                self.error = ("Aborted", "the kernel aborted the cell")
        elif kind == "status" and content.get("execution_state") == "idle":
            self.idle = True


@dataclass
class KernelChannel:
    """One open websocket to a kernel. A context manager."""

    connection: ClientConnection
    session: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __enter__(self) -> KernelChannel:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.connection.close()

    def run(self, code: str, timeout_seconds: float = 60) -> str:
        """Runs a cell and returns what it printed followed by its value. Raises CellError, VerifyError at the limit."""
        content = {"code": code, "silent": False, "store_history": False, "user_expressions": {}, "allow_stdin": False}
        message = request("execute_request", content, self.session)
        if self.connection.subprotocol == V1:
            self.connection.send(encode_v1(message, "shell"))
        else:
            self.connection.send(json.dumps({**message, "channel": "shell"}))
        output = CellOutput()
        deadline = time.monotonic() + timeout_seconds
        while not output.done:
            try:
                frame = self.connection.recv(timeout=max(0.0, deadline - time.monotonic()))
            except TimeoutError:
                raise VerifyError(f"the kernel did not finish a cell within {timeout_seconds:g} s (answered: {output.replied})") from None
            except WebSocketException as error:
                raise VerifyError(f"the kernel's websocket closed while a cell was running: {error}") from error
            output.take(decode_v1(frame) if isinstance(frame, bytes) else json.loads(frame), message["header"]["msg_id"])
        if output.error:
            raise CellError(*output.error)
        return output.printed + output.value


def open_channel(url: str, cookies: str, origin: str, tls: ssl.SSLContext | None, timeout_seconds: float = 30) -> KernelChannel:
    """Opens the websocket at ``url`` (ws or wss) as a page of ``origin`` would. Raises VerifyError."""
    session = uuid.uuid4().hex
    try:
        # Entered at once, left by close(): so that the channel may outlive this function in every version of websockets.
        connection = connect(
            f"{url}?session_id={session}",
            ssl=tls,
            origin=Origin(origin),
            additional_headers={"Cookie": cookies, "Sec-Fetch-Mode": "websocket", "Sec-Fetch-Site": "same-origin"},
            subprotocols=[Subprotocol(V1)],
            open_timeout=timeout_seconds,
            max_size=2**24,
            proxy=None,
        ).__enter__()
    except (InvalidHandshake, OSError, TimeoutError) as error:
        raise VerifyError(f"no websocket to the kernel at {url}: {error}") from error
    return KernelChannel(connection, session)
