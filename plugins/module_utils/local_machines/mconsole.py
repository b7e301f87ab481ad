# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The management console of a User-Mode Linux kernel: one datagram asks, one or more answer.

The protocol is `arch/um/include/shared/mconsole.h` of the kernel. It is spoken here so that no package has to be installed for it
(`uml-utilities` would also start a daemon on hosts with systemd).
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import tempfile
from pathlib import Path

MAGIC = 0xCAFEBABE
VERSION = 2
DATA_BYTES = 512
REPLY_HEAD = struct.Struct("=III")


def request(command: str) -> bytes:
    """Encode one command."""
    data = command.encode()
    if len(data) >= DATA_BYTES:
        raise ValueError(f"A console command has fewer than {DATA_BYTES} bytes.")
    return struct.pack(f"=III{DATA_BYTES}s", MAGIC, VERSION, len(data), data)


def reply(datagram: bytes) -> tuple[bool, bool, str]:
    """Decode one answer to (error, more follow, text)."""
    error, more, length = REPLY_HEAD.unpack_from(datagram)
    return bool(error), bool(more), datagram[REPLY_HEAD.size : REPLY_HEAD.size + length].rstrip(b"\0").decode(errors="replace")


def ask(path: Path, command: str, limit_seconds: float = 3.0) -> tuple[bool, str]:
    """Send a command to the console socket at ``path``. Returns (answered without error, text); (False, reason) when nobody answers."""
    pieces = []
    # A socket's path has at most 107 bytes; through the folder's descriptor it is always short enough.
    try:
        folder = os.open(path.parent, os.O_PATH)
    except OSError as error:
        return False, f"no console: {error.strerror}"
    try:
        with tempfile.TemporaryDirectory(prefix="mconsole-") as scratch, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
            client.bind(str(Path(scratch, "answer")))
            # The kernel that answers may run as another user.
            os.chmod(scratch, 0o711)  # noqa: S103
            os.chmod(Path(scratch, "answer"), 0o666)  # noqa: S103
            client.settimeout(limit_seconds)
            with contextlib.suppress(OSError):
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**20)
            client.sendto(request(command), f"/proc/self/fd/{folder}/{path.name}")
            while True:
                failed, more, text = reply(client.recv(65536))
                pieces.append(text)
                if not more:
                    return not failed, "".join(pieces).strip()
    except (OSError, struct.error) as error:
        return False, "".join(pieces) or f"the console does not answer: {error}"
    finally:
        os.close(folder)
