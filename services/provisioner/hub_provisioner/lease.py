"""Who may act: one holder of a coordination Lease. The decisions are pure; `Elector` carries them out.

Clocks of machines are not compared: an instance counts from when it first saw a renewal, on its own monotonic clock.
"""

from __future__ import annotations

import enum
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

from .api import Api, ApiError
from .errors import NotLeaderError

log = logging.getLogger(__name__)
Object = dict[str, Any]


class Move(enum.Enum):
    """What to do about the lease now."""

    CREATE = "create"
    TAKE = "take"
    RENEW = "renew"
    WAIT = "wait"


@dataclass(frozen=True)
class Sighting:
    """The last renewal seen, and when (seconds of the monotonic clock)."""

    holder: str = ""
    renewed: str = ""
    at: float = 0.0


def look(lease: Object | None, seen: Sighting, now: float) -> Sighting:
    """The sighting after reading the lease: as before unless holder or renewal changed."""
    spec = (lease or {}).get("spec") or {}
    holder, renewed = spec.get("holderIdentity") or "", spec.get("renewTime") or ""
    if (holder, renewed) == (seen.holder, seen.renewed):
        return seen
    return Sighting(holder, renewed, now)


def decide(lease: Object | None, seen: Sighting, me: str, now: float) -> Move:
    """What to do, given the lease and the sighting made of it by `look`.

    A lease is free when nobody holds it, or when its holder has not renewed it for as long as it said it would.
    """
    if lease is None:
        return Move.CREATE
    if seen.holder == me:
        return Move.RENEW
    duration = float(((lease.get("spec") or {}).get("leaseDurationSeconds")) or 0)
    if not seen.holder or now - seen.at > duration:
        return Move.TAKE
    return Move.WAIT


def next_spec(lease: Object | None, move: Move, me: str, duration: int, stamp: str) -> Object:
    """The Lease's spec after `move`; `stamp` is the time of writing (RFC 3339 with microseconds)."""
    spec = dict((lease or {}).get("spec") or {})
    if move is not Move.RENEW:
        spec["leaseTransitions"] = int(spec.get("leaseTransitions") or 0) + (1 if move is Move.TAKE else 0)
        spec["acquireTime"] = stamp
    spec.update(holderIdentity=me, leaseDurationSeconds=duration, renewTime=stamp)
    return spec


def stamp() -> str:
    """Now, as the API's MicroTime."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Elector:
    """Holds the lease in a thread of its own, from `start` to `stop`.

    :param gate: asked before each try; False keeps this instance out of the election (its export is not there, or another instance on
        this machine is at work).
    """

    def __init__(self, api: Api, namespace: str, name: str, identity: str, gate: Callable[[], bool], duration: int = 30) -> None:
        self._api, self._namespace, self._name, self._me, self._gate = api, namespace, name, identity, gate
        self._duration = duration
        # Give up well before others may take over, so that two never act at once.
        self._safe = duration * 2 / 3
        self._renewed_at: float | None = None
        self._seen = Sighting()
        self._told = False
        self._complaint = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)
        self.changed = threading.Event()  # set whenever this instance becomes leader

    def start(self) -> None:
        """Begin to run for the lease."""
        self._thread.start()

    def stop(self) -> None:
        """Stop, and give the lease back so that another instance need not wait for it to run out."""
        self._stop.set()
        self._thread.join(timeout=self._duration)
        if self.leading():
            self._renewed_at = None
            try:
                lease = self._api.get_lease(self._namespace, self._name)
                if lease and (lease.get("spec") or {}).get("holderIdentity") == self._me:
                    lease["spec"].update(holderIdentity="", leaseDurationSeconds=1, renewTime=stamp())
                    self._api.put_lease(self._namespace, self._name, lease)
            except ApiError as error:
                log.warning("the lease was not given back: %s", error)

    def leading(self) -> bool:
        """Whether this instance held the lease recently enough that nobody else can hold it."""
        return self._renewed_at is not None and time.monotonic() - self._renewed_at < self._safe

    def confirm(self) -> None:
        """Read the lease again, right before something is done.

        :raises NotLeaderError: another instance holds it, or it cannot be read.
        """
        if not self.leading():
            raise NotLeaderError("the lease is not held")
        try:
            lease = self._api.get_lease(self._namespace, self._name)
        except ApiError as error:
            raise NotLeaderError(f"the lease cannot be read: {error}") from error
        if (lease or {}).get("spec", {}).get("holderIdentity") != self._me:
            self._renewed_at = None
            raise NotLeaderError("another instance took the lease")
        if not self.leading():
            raise NotLeaderError("the API server took so long to answer that the lease may have run out")

    def read(self) -> Object:
        """The lease, to tell something about."""
        return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", **(self._api.get_lease(self._namespace, self._name) or {})}

    def _run(self) -> None:
        while not self._stop.wait(self._turn()):
            pass

    def _turn(self) -> float:
        """One try; returns the seconds to wait before the next."""
        try:
            if self._gate():
                self._try()
            else:
                self._renewed_at = None
            self._complaint = ""
        except ApiError as error:
            if str(error) != self._complaint:  # once, not every second
                self._complaint = str(error)
                log.warning("lease %s/%s: %s", self._namespace, self._name, error)
        except Exception:  # this thread must not die: without it the instance would look alive and never act
            log.exception("lease %s/%s", self._namespace, self._name)
        if self.leading() != self._told:
            self._told = self.leading()
            log.info("lease %s/%s %s by %s", self._namespace, self._name, "taken" if self._told else "lost", self._me)
            if self._told:
                self.changed.set()
        return self._duration / 5 if self.leading() else 1.0

    def _try(self) -> None:
        asked_at = time.monotonic()
        lease = self._api.get_lease(self._namespace, self._name)
        self._seen = look(lease, self._seen, asked_at)
        move = decide(lease, self._seen, self._me, asked_at)
        if move is Move.WAIT:
            self._renewed_at = None
            return
        spec = next_spec(lease, move, self._me, self._duration, stamp())
        if lease is None:
            body: Object = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": self._name}, "spec": spec}
            written = self._api.create_lease(self._namespace, body)
        else:
            # The resourceVersion that was read goes along: of two who try at once, one gets a conflict.
            written = self._api.put_lease(self._namespace, self._name, {**lease, "spec": spec})
        self._seen = replace(look(written, self._seen, asked_at), at=asked_at)
        self._renewed_at = asked_at  # counted from before the request: the server's count starts later
