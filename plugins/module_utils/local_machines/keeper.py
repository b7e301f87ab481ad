# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keeper: starts one program in a session of its own, bounds its log, writes down how it ended. A program by itself: standard library only.

Reads an order as JSON from standard input: command, environment, record and log (paths), log_limit_bytes, fingerprint.
Answers one line on standard output: "started", or why not. Then it stays as the program's parent until that ends.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from typing import Any


def start_time(pid: int) -> int:
    """Give a process' start time in clock ticks since boot."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
        return int(stream.read().rpartition(")")[2].split()[19])


def write_json(path: str, data: object) -> None:
    """Write a file readable by its owner only, by renaming a finished one into place."""
    temporary = f"{path}.{os.getpid()}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump(data, stream)
    os.replace(temporary, path)


def start(order: dict[str, Any], output: int) -> tuple[int, int]:
    """Fork the program. It waits at a gate until its record is on disk. Gives its pid and a pipe that closes when exec succeeded."""
    gate_read, gate_write = os.pipe()
    failure_read, failure_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(gate_write)
            os.close(failure_read)
            os.setsid()
            null = os.open(os.devnull, os.O_RDONLY)
            os.dup2(null, 0)
            os.dup2(output, 1)
            os.dup2(output, 2)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            if os.read(gate_read, 1) != b"g":
                os._exit(1)
            os.execvpe(order["command"][0], order["command"], order["environment"])  # noqa: S606 - a list, no shell
        except BaseException as error:
            os.write(failure_write, str(error).encode())
        finally:
            os._exit(127)
    os.close(gate_read)
    os.close(failure_write)
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:
        boot = stream.read().strip()
    record = {"pid": pid, "start_time": start_time(pid), "boot_id": boot, "started_at": time.time(), "fingerprint": order["fingerprint"]}
    write_json(order["record"], record)
    os.write(gate_write, b"g")
    os.close(gate_write)
    return pid, failure_read


def copy_log(source: int, path: str, limit: int) -> None:
    """Copy output to a log until the program closes it; a log that reaches half of the limit is kept once as PATH.1."""
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    size = os.fstat(log).st_size
    while True:
        data = os.read(source, min(65536, limit // 2))
        if not data:
            break
        if size + len(data) > limit // 2:
            os.close(log)
            os.replace(path, f"{path}.1")
            log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
            size = 0
        try:
            size += os.write(log, data)
        except OSError:
            continue  # a full disk must not stop the machine; its output is lost meanwhile
    os.close(log)


def main() -> int:
    """Run one order."""
    order = json.load(sys.stdin)
    read_end, write_end = os.pipe()
    try:
        pid, failure = start(order, write_end)
    except OSError as error:
        os.write(1, f"{error}\n".encode())
        return 1
    os.close(write_end)
    reason = os.read(failure, 4096).decode(errors="replace")
    os.close(failure)
    os.write(1, f"{reason or 'started'}\n".encode())
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    if not reason:
        copy_log(read_end, order["log"], order["log_limit_bytes"])
    _pid, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    end = {"pid": pid, "ended_at": time.time(), "status": code if code >= 0 else None, "signal": -code if code < 0 else None}
    write_json(f"{order['record']}.exit", end)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
