# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Makes what a plan names: several items at a time, each in a folder of its own, moved into place when it is finished."""

from __future__ import annotations

import concurrent.futures
import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle import make_images, make_programs
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.commands import Runner
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.errors import BundleError, CommandError, InterruptedBuildError, ItemError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.items import Item
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.job import Job, Made, Site
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.plan import Queue
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.state import Record, describe, file_name

Maker = Callable[[Job], Made]
MAKERS: Mapping[str, Maker] = {
    "tool": make_programs.tool,
    "kernel-source": make_programs.kernel_source,
    "kernel": make_programs.kernel,
    "go-modules": make_programs.go_modules,
    "go": make_programs.go_programs,
    "download": make_programs.release,
    "image": make_images.image,
    "registry": make_images.publish,
    "root": make_images.root,
    "disk": make_images.disk,
}
HEARTBEAT_SECONDS = 60
LOOK_SECONDS = 0.5


class Progress:
    """Lines for people, appended to a file that the action plugin shows while the build runs."""

    def __init__(self, path: Path, total: int) -> None:
        self.path = path
        self.total = total
        self.done = 0
        self.lines: list[str] = []
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("", encoding="utf-8")

    def say(self, text: str) -> None:
        """Write a line with how many items are finished."""
        line = f"[{self.done:3d}/{self.total}] {text}"
        self.lines.append(line)
        with open(self.path, "a", encoding="utf-8") as stream:
            stream.write(f"{line}\n")


class Builder:
    """Makes items. ``orphaned`` says whether whoever asked for the build is gone, so that it stops."""

    def __init__(
        self,
        site: Site,
        orphaned: Callable[[], bool] = lambda: False,
        makers: Mapping[str, Maker] | None = None,
    ) -> None:
        self._site = site
        self._orphaned = orphaned
        self._makers = makers or MAKERS
        self._stop = threading.Event()
        self._started: dict[str, float] = {}

    def make(self, names: list[str]) -> list[str]:
        """Make the named items, in order of urgency. Gives the progress lines.

        Raises :class:`ItemError` for the first item that fails, :class:`InterruptedBuildError` when nobody waits any more. What is finished stays.
        """
        places = self._site.places
        items = self._site.catalogue.items
        progress = Progress(places.progress, len(names))
        for folder in (places.work / "tmp", places.work / "containers/run"):  # of a build that was killed
            shutil.rmtree(folder, ignore_errors=True)
        queue = Queue(items, names, workers=self._site.cores + 1)
        begin = spoke = time.monotonic()
        running: dict[concurrent.futures.Future[float], str] = {}
        with concurrent.futures.ThreadPoolExecutor(max_workers=self._site.cores + 8) as pool:
            try:
                while not queue.empty:
                    for name in iter(queue.take, None):
                        self._started[name] = time.monotonic()
                        running[pool.submit(self._make, items[name])] = name
                    finished, _pending = concurrent.futures.wait(running, timeout=LOOK_SECONDS, return_when=concurrent.futures.FIRST_COMPLETED)
                    for future in finished:
                        name = running.pop(future)
                        seconds = future.result()
                        queue.finish(name)
                        progress.done += 1
                        progress.say(f"{name} made in {seconds:.0f} s")
                        spoke = time.monotonic()
                    if self._orphaned():
                        raise InterruptedBuildError("The playbook that asked for the bundle ended; what was finished is kept.")
                    if time.monotonic() - spoke > HEARTBEAT_SECONDS:
                        spoke = time.monotonic()
                        progress.say("working on " + ", ".join(f"{name} ({spoke - self._started[name]:.0f} s)" for name in queue.running))
            except BaseException as error:
                self._stop.set()
                progress.say(f"stopped: {error or type(error).__name__}")
                raise
        progress.say(f"bundle made in {time.monotonic() - begin:.0f} s")
        return progress.lines

    def _make(self, item: Item) -> float:
        site = self._site
        begin = time.monotonic()
        scratch = site.places.work / "tmp" / file_name(item.name)
        scratch.mkdir(parents=True)
        log = site.places.log(item.name)
        log.unlink(missing_ok=True)
        job = Job(site=site, item=item, scratch=scratch, run=Runner(log, site.environment, self._stop), stop=self._stop)
        log.touch()
        try:
            made = self._makers[item.kind](job)
            outputs = place(site.places.bundle, made.outputs)
            missing = sorted(set(item.outputs) - set(outputs))
            if missing:
                raise BundleError(f"{missing[0]} was not among what was made.")
        except (InterruptedBuildError, ItemError):
            raise
        except CommandError as error:
            raise ItemError(item.name, str(error), error.tail, str(log)) from error
        except BundleError as error:
            raise ItemError(item.name, str(error), "", str(log)) from error
        except (OSError, StopIteration, ValueError, KeyError) as error:
            raise ItemError(item.name, f"{type(error).__name__}: {error}.", "", str(log)) from error
        seconds = time.monotonic() - begin
        site.store.write(item.name, Record(digest=item.digest, outputs=outputs, facts=made.facts, seconds=round(seconds, 1)))
        shutil.rmtree(scratch, ignore_errors=True)
        return seconds


def place(bundle: Path, outputs: Mapping[str, Path]) -> dict[str, dict[str, object]]:
    """Move finished files into the bundle and describe them. A file under several names is one file there too."""
    described: dict[str, dict[str, object]] = {}
    first: dict[Path, str] = {}
    for name, source in outputs.items():
        target = bundle / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source in first:
            new = target.with_name(f".{target.name}.new")
            new.unlink(missing_ok=True)
            os.link(bundle / first[source], new)
            # Renaming one name of a file over another of the same file does nothing, by POSIX.
            new.replace(target)
            new.unlink(missing_ok=True)
            described[name] = described[first[source]]
            continue
        described[name] = describe(source)
        source.replace(target)
        first[source] = name
    return described
