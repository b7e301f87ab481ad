"""Who may act: decisions, and the spec that is written."""

from __future__ import annotations

from typing import Any

import pytest
from hub_provisioner.lease import Move, Sighting, decide, look, next_spec

THEIRS = {"spec": {"holderIdentity": "other", "leaseDurationSeconds": 15, "renewTime": "t1", "leaseTransitions": 3, "acquireTime": "t0"}}
MINE = {"spec": {**THEIRS["spec"], "holderIdentity": "me"}}
FREE = {"spec": {**THEIRS["spec"], "holderIdentity": ""}}


@pytest.mark.parametrize(
    ("lease", "seen", "now", "move"),
    [
        (None, Sighting(), 100.0, Move.CREATE),
        (MINE, Sighting("me", "t1", 0.0), 100.0, Move.RENEW),
        (FREE, Sighting("", "t1", 100.0), 100.0, Move.TAKE),
        (THEIRS, Sighting("other", "t1", 90.0), 100.0, Move.WAIT),
        (THEIRS, Sighting("other", "t1", 85.0), 100.0, Move.WAIT),
        (THEIRS, Sighting("other", "t1", 84.9), 100.0, Move.TAKE),
        ({"spec": {}}, Sighting("", "", 100.0), 100.0, Move.TAKE),
    ],
)
def test_decide(lease: dict[str, Any] | None, seen: Sighting, now: float, move: Move) -> None:
    assert decide(lease, seen, "me", now) is move


def test_a_renewal_starts_the_count_anew() -> None:
    first = look(THEIRS, Sighting(), 10.0)
    assert look(THEIRS, first, 20.0) == first
    renewed = {"spec": {**THEIRS["spec"], "renewTime": "t2"}}
    second = look(renewed, first, 24.0)
    assert second.at == 24.0
    assert decide(renewed, second, "me", 30.0) is Move.WAIT


def test_a_new_instance_waits_a_whole_lease_whatever_the_clocks_say() -> None:
    seen = look(THEIRS, Sighting(), 1000.0)  # a renewTime of long ago proves nothing: clocks differ
    assert decide(THEIRS, seen, "me", 1000.0) is Move.WAIT
    assert decide(THEIRS, seen, "me", 1015.1) is Move.TAKE


@pytest.mark.parametrize(
    ("lease", "move", "transitions", "acquired"), [(None, Move.CREATE, 0, "now"), (THEIRS, Move.TAKE, 4, "now"), (MINE, Move.RENEW, 3, "t0")]
)
def test_next_spec(lease: dict[str, Any] | None, move: Move, transitions: int, acquired: str) -> None:
    spec = next_spec(lease, move, "me", 15, "now")
    assert spec == {"holderIdentity": "me", "leaseDurationSeconds": 15, "renewTime": "now", "leaseTransitions": transitions, "acquireTime": acquired}
