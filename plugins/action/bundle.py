# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Shows what the module ``bundle`` finishes while it works: a build takes minutes, and a silent one looks like a hanging one."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.state import Places

LOOK_SECONDS = 1.0
DISPLAY = Display()


def _follow(path: Path, ended: threading.Event) -> None:
    """Show the lines that are added to a file from now on, until the module has ended. A build starts the file anew."""
    try:
        known = path.stat().st_ino, path.stat().st_mtime_ns
    except OSError:
        known = (0, 0)
    position = -1  # not started: what is there is of an earlier build
    while True:
        last = ended.wait(LOOK_SECONDS)
        try:
            state = path.stat()
            if position < 0 and (state.st_ino, state.st_mtime_ns) != known:
                position = 0
            if position >= 0:
                with open(path, encoding="utf-8") as stream:
                    stream.seek(position)
                    for line in stream:
                        if not line.endswith("\n"):
                            break
                        DISPLAY.display(line.rstrip("\n"))
                        position += len(line.encode())
        except OSError:
            pass
        if last:
            return


class ActionModule(ActionBase):  # type: ignore[misc]
    """Runs the module, and shows its progress when it runs on this host."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        local = self._connection.transport == "local"
        if local:
            # This is a worker; its parent is the playbook.
            arguments.setdefault("watch_pid", os.getppid())
        ended = threading.Event()
        follower = threading.Thread(target=_follow, args=(Places(Path(str(arguments.get("cache_dir", "/nonexistent")))).progress, ended), daemon=True)
        if local and not self._task.check_mode:
            follower.start()
        try:
            # A build moves its process to a mount namespace of its own, and Mitogen would run the next task there, too.
            alone = {**(task_vars or {}), "mitogen_task_isolation": "fork"}
            result.update(self._execute_module(module_name="airavata.jupyterhub.bundle", module_args=arguments, task_vars=alone))
        finally:
            ended.set()
            if follower.is_alive():
                follower.join(timeout=5 * LOOK_SECONDS)
        return result
