"""Kernel messages as frames, and a cell through a real websocket."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from site_verify.errors import CellError, VerifyError
from site_verify.kernel import V1, CellOutput, decode_v1, encode_v1, open_channel, request
from websockets.sync.server import ServerConnection, serve
from websockets.typing import Subprotocol

# Made with jupyter_server 2.21.1: serialize_msg_to_ws_v1([b'{"msg_id":"1"}', b'{}', b'{}', b'{"a":"\\u00e9"}'], "shell")
RECORDED = b"".join(n.to_bytes(8, "little") for n in (6, 56, 61, 75, 77, 79, 93)) + b'shell{"msg_id":"1"}{}{}{"a":"\\u00e9"}'


def test_a_frame_is_read_as_the_server_writes_it() -> None:
    assert decode_v1(RECORDED) == {"channel": "shell", "header": {"msg_id": "1"}, "parent_header": {}, "metadata": {}, "content": {"a": "é"}}


def test_frames_survive_a_round_trip() -> None:
    message = request("execute_request", {"code": "'é\n'"}, "s")
    decoded = decode_v1(encode_v1(message, "shell"))
    assert decoded.pop("channel") == "shell"
    assert decoded == {key: value for key, value in message.items() if key != "buffers"}


@pytest.mark.parametrize("frame", [b"", b"\x01", RECORDED[:60], (2**40).to_bytes(8, "little") + b"x" * 100, bytes(200), RECORDED[:-3]])
def test_a_broken_frame_is_named(frame: bytes) -> None:
    with pytest.raises(VerifyError, match="no v1 message"):
        decode_v1(frame)


def answer(kind: str, parent: str, **content: Any) -> dict[str, Any]:
    return {"header": {"msg_type": kind}, "parent_header": {"msg_id": parent}, "metadata": {}, "content": content}


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        pytest.param([answer("stream", "1", name="stdout", text="a"), answer("stream", "1", name="stdout", text="b")], CellOutput(printed="ab"), id="printed"),
        pytest.param([answer("stream", "1", name="stderr", text="a")], CellOutput(), id="stderr is no output"),
        pytest.param([answer("stream", "2", name="stdout", text="a"), answer("status", "2", execution_state="idle")], CellOutput(), id="of another request"),
        pytest.param([answer("execute_result", "1", data={"text/plain": "42"})], CellOutput(value="42"), id="value"),
        pytest.param([answer("execute_reply", "1", status="ok")], CellOutput(replied=True), id="a reply alone is not the end"),
        pytest.param([answer("status", "1", execution_state="idle")], CellOutput(idle=True), id="idle alone is not the end"),
        pytest.param([answer("status", "1", execution_state="busy")], CellOutput(), id="busy"),
        pytest.param([answer("error", "1", ename="E", evalue="v")], CellOutput(error=("E", "v")), id="error"),
        pytest.param(
            [answer("execute_reply", "1", status="aborted")], CellOutput(replied=True, error=("Aborted", "the kernel aborted the cell")), id="aborted"
        ),
    ],
)
def test_output_is_collected(messages: list[dict[str, Any]], expected: CellOutput) -> None:
    output = CellOutput()
    for message in messages:
        output.take(message, "1")
    assert output == expected


@contextmanager
def kernel_server(
    behave: Callable[[dict[str, Any]], list[dict[str, Any]]], subprotocols: list[Subprotocol] | None
) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A websocket server that answers each request with what ``behave`` returns; yields its address and the headers it saw."""
    seen: list[dict[str, str]] = []

    def handle(connection: ServerConnection) -> None:
        assert connection.request is not None
        seen.append({"path": connection.request.path, **dict(connection.request.headers.raw_items())})
        for frame in connection:
            asked = decode_v1(frame) if isinstance(frame, bytes) else json.loads(frame)
            for message in behave(asked):
                connection.send(encode_v1(message, "iopub") if isinstance(frame, bytes) else json.dumps({**message, "channel": "iopub"}))

    with serve(handle, "127.0.0.1", 0, subprotocols=subprotocols) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}/channels", seen
        server.shutdown()
        thread.join(5)


def computing(asked: dict[str, Any]) -> list[dict[str, Any]]:
    """A kernel that computes products, and raises on anything else."""
    number = asked["header"]["msg_id"]
    try:
        a, b = asked["content"]["code"].split("*")
        body = [answer("execute_result", number, data={"text/plain": str(int(a) * int(b))}), answer("execute_reply", number, status="ok")]
    except ValueError as error:
        body = [answer("error", number, ename="ValueError", evalue=str(error)), answer("execute_reply", number, status="error")]
    return [*body, answer("status", number, execution_state="idle")]


@pytest.mark.parametrize("subprotocols", [[Subprotocol(V1)], None], ids=["v1", "plain JSON"])
def test_a_cell_runs_in_both_protocols(subprotocols: list[Subprotocol] | None) -> None:
    with kernel_server(computing, subprotocols) as (url, seen):  # noqa: SIM117 - pylint does not see url in one line
        with open_channel(url, "a=b", "https://hub.example", None) as channel:
            assert channel.run("6 * 7") == "42"
            with pytest.raises(CellError, match="ValueError"):
                channel.run("nonsense")
            assert channel.run("2 * 3") == "6"
    assert seen[0]["Cookie"] == "a=b"
    assert seen[0]["Origin"] == "https://hub.example"
    assert seen[0]["Sec-Fetch-Mode"] == "websocket"


def test_a_silent_kernel_is_not_waited_for_endlessly() -> None:
    with kernel_server(lambda asked: [], [Subprotocol(V1)]) as (url, _seen):  # noqa: SIM117
        with open_channel(url, "", "https://hub.example", None) as channel, pytest.raises(VerifyError, match=r"within 0\.2 s"):
            channel.run("1", timeout_seconds=0.2)


def test_a_kernel_that_vanishes_is_named() -> None:
    def vanish(asked: dict[str, Any]) -> list[dict[str, Any]]:
        raise ConnectionError

    with kernel_server(vanish, [Subprotocol(V1)]) as (url, _seen):  # noqa: SIM117
        with open_channel(url, "", "https://hub.example", None) as channel, pytest.raises(VerifyError, match="closed while a cell was running"):
            channel.run("1")


def test_no_server_is_named() -> None:
    with pytest.raises(VerifyError, match="no websocket to the kernel at ws://127"):
        open_channel("ws://127.0.0.1:1/x", "", "https://hub.example", None)
