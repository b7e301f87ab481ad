"""Limits: from the parameters of a class, as they are kept, and what a full volume is told."""

from __future__ import annotations

from typing import Any

import pytest
from hub_provisioner import plan
from hub_provisioner.errors import RefusedError
from hub_provisioner.limits import Limits, Usage
from hub_provisioner.plan import Settings

SETTINGS = Settings("p", "s", "/e")
GIB = 2**30


@pytest.mark.parametrize(
    ("size", "parameters", "limits"),
    [
        (GIB, {}, Limits(GIB, 65536)),
        (2**20, {}, Limits(2**20, 10000)),
        (GIB, {"filesPerGib": "2048"}, Limits(GIB, 2048)),
        (2**20, {"filesPerGib": "2048"}, Limits(2**20, 1000)),  # what an operator asks for counts, down to what a session needs
        (GIB, {"filesPerGib": "0"}, Limits(GIB, 0)),
        (GIB, {"softQuotaPercent": "80"}, Limits(GIB, 65536, GIB * 80 // 100, 52428)),
        (GIB, {"softQuotaPercent": "80", "filesPerGib": "0"}, Limits(GIB, 0, GIB * 80 // 100, 0)),
    ],
)
def test_limits_of_a_class(size: int, parameters: dict[str, str], limits: Limits) -> None:
    assert plan.limits_for(size, parameters, SETTINGS) == limits


@pytest.mark.parametrize(
    "parameters",
    [{"softQuotaPercent": value} for value in ("0", "100", "", "-5", "80%", "8.5", "\u0668")]
    + [{"filesPerGib": value} for value in ("-1", "many", "1e3", "9" * 11)],
)
def test_parameters_that_are_no_such_numbers(parameters: dict[str, str]) -> None:
    with pytest.raises(RefusedError, match=next(iter(parameters))) as caught:
        plan.limits_for(GIB, parameters, SETTINGS)
    assert caught.value.reason == "ClassRefused"


def test_as_xfs_keeps_them() -> None:
    assert Limits(4097, 5, 4097, 3).blocks == Limits(8192, 5, 4096, 3)
    assert Usage(1, 8192, 1, 5, 4096, 3).limits == Limits(4097, 5, 4097, 3).blocks


@pytest.mark.parametrize(
    ("usage", "percent", "reason"),
    [
        (Usage(0, 0, 7, 0), 0, None),
        (Usage(89, 100, 1, 100), 89, None),
        (Usage(90, 100, 1, 100), 90, "VolumeAlmostFull"),
        (Usage(1, 100, 95, 100), 95, "VolumeAlmostFull"),  # files are counted like bytes
        (Usage(1, 100, 100, 100), 100, "VolumeFull"),
        (Usage(101, 100, 1, 0), 101, "VolumeFull"),
        (Usage(51, 100, 1, 0, 50, 0), 51, "VolumeAlmostFull"),
        (Usage(50, 100, 1, 100, 50, 50), 50, None),
        (Usage(1, 100, 51, 100, 50, 50), 51, "VolumeAlmostFull"),
    ],
)
def test_fullness(usage: Usage, percent: int, reason: str | None) -> None:
    assert usage.percent == percent
    told = plan.fullness(usage, SETTINGS)
    assert (told[0] if told else None) == reason
    assert plan.fullness(usage, Settings("p", "s", "/e", warn_percent=0)) is None


def test_what_a_full_volume_is_told() -> None:
    assert plan.fullness(Usage(GIB, GIB, 12, 65536), SETTINGS) == (
        "VolumeFull",
        "the volume is full: 1.0Gi of 1.0Gi, 12 of 65536 files; nothing can be written until files are deleted, or until the claim asks for more",
    )


@pytest.mark.parametrize(
    ("has", "written"),
    [
        ({}, True),
        ({"used-bytes": "500", "used-files": "10", "limit-files": "1000"}, False),
        ({"used-bytes": "491", "used-files": "19", "limit-files": "1000"}, False),
        ({"used-bytes": "489", "used-files": "10", "limit-files": "1000"}, True),
        ({"used-bytes": "500", "used-files": "30", "limit-files": "1000"}, True),
        ({"used-bytes": "500", "used-files": "10", "limit-files": "999"}, True),
        ({"used-bytes": "much", "used-files": "10", "limit-files": "1000"}, True),
    ],
)
def test_use_is_written_to_the_claim_when_it_moved(has: dict[str, str], written: bool) -> None:
    claim: dict[str, Any] = {"metadata": {"annotations": {f"hub.airavata.org/{key}": value for key, value in has.items()}}}
    expected = {"hub.airavata.org/used-bytes": "500", "hub.airavata.org/used-files": "10", "hub.airavata.org/limit-files": "1000"}
    assert plan.usage_annotations(claim, Usage(500, 1000, 10, 1000)) == (expected if written else {})
