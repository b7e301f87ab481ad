"""Patterns of paths: what they give, and that nothing a user writes leads anywhere else."""

from __future__ import annotations

import itertools

import pytest
from hub_provisioner.errors import RefusedError
from hub_provisioner.pattern import archive_name, expand, overlaps

PLAIN = {"namespace": "hub-users", "name": "home-alice", "labels": {"team": "red"}, "annotations": {"example.org/user": "alice@example.org"}}


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("", ("hub-users-home-alice-pvc-1",)),
        ("${.PVC.namespace}/${.PVC.name}", ("hub-users", "home-alice")),
        ("/${.PVC.namespace}/${.PVC.name}/", ("hub-users", "home-alice")),
        ("homes/${.PVC.labels.team}/${.PVC.annotations.example.org/user}", ("homes", "red", "alice@example.org")),
        ("${.PVC.namespace}-${.PVC.labels.team}", ("hub-users-red",)),
        ("fixed", ("fixed",)),
    ],
)
def test_path(pattern: str, path: tuple[str, ...]) -> None:
    assert expand(pattern, PLAIN, "pvc-1") == path


@pytest.mark.parametrize(
    "pattern",
    [
        "${.PVC.namespace}/${.PVC.labels.absent}",
        "${.PVC.namespace}/${.PVC.annotations.absent}",
        "${.PVC.uid}",
        "${.PVC.}",
        "${.PVC.labels.}",
        "${.pvc.name}",
        "..",
        "../${.PVC.name}",
        "a//b",
        "a/./b",
        "a/../b",
        "/",
        "-rf",
        ".hub/new",
        "archived-${.PVC.name}",
        "a b",
        "a/" * 9 + "b",
        "x" * 201,
    ],
)
def test_refused_pattern(pattern: str) -> None:
    with pytest.raises(RefusedError) as caught:
        expand(pattern, PLAIN, "pvc-1")
    assert caught.value.reason == "PathPatternFailed"


HOSTILE = [
    "",
    ".",
    "..",
    "../..",
    "/etc",
    "a/b",
    "a/../../b",
    "a\\b",
    "a\x00b",
    "a\nb",
    "a b",
    "-o",
    ".hub",
    "~root",
    "$(id)",
    "${.PVC.name}",
    "${.PVC.namespace}",
    "\u202etxt",
    "\uff0e\uff0e",
    "é",
    "a" * 201,
    "%2e%2e",
]
SHAPES = ["${.PVC.annotations.x}", "u/${.PVC.annotations.x}", "${.PVC.annotations.x}/u", "u/${.PVC.labels.y}/${.PVC.annotations.x}"]


@pytest.mark.parametrize(("value", "shape"), list(itertools.product(HOSTILE, SHAPES)))
def test_hostile_value_is_refused(value: str, shape: str) -> None:
    with pytest.raises(RefusedError):
        expand(shape, {"namespace": "n", "name": "c", "labels": {"y": "ok"}, "annotations": {"x": value}}, "pvc-1")


def test_whatever_is_accepted_is_plain() -> None:
    alphabet = ["a", "Z", "0", ".", "-", "_", "/", "@", "~", " ", "\n", "$"]
    accepted = 0
    for letters in itertools.chain.from_iterable(itertools.product(alphabet, repeat=length) for length in (1, 2, 3)):
        value = "".join(letters)
        try:
            path = expand("base/p-${.PVC.annotations.x}/${.PVC.annotations.x}", {"namespace": "n", "name": "c", "annotations": {"x": value}}, "pvc-1")
        except RefusedError:
            continue
        accepted += 1
        assert path == ("base", f"p-{value}", value)
        assert value[0].isalnum()
        assert not set(value) & set("/ \n$")
    assert accepted > 100


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (("a", "b"), ("a", "b"), True),
        (("a",), ("a", "b"), True),
        (("a", "b", "c"), ("a", "b"), True),
        (("a", "b"), ("a", "bc"), False),
        (("a", "b"), ("b", "a"), False),
    ],
)
def test_overlaps(one: tuple[str, ...], other: tuple[str, ...], expected: bool) -> None:
    assert overlaps(one, other) is expected
    assert overlaps(other, one) is expected


def test_archive_names_differ_and_fit() -> None:
    uid, stamp = "0f0e0d0c-0000-4000-8000-000000000000", "20261123T220000Z"
    assert archive_name(("hub-users", "home-alice"), uid, stamp) == f"archived-hub-users-home-alice-{uid}-{stamp}"
    long = archive_name(("n" * 200, "c" * 200), uid, stamp)
    assert len(long) <= 255
    assert long.endswith(f"-{uid}-{stamp}")
    assert archive_name(("a", "b"), uid, stamp) != archive_name(("a", "b"), uid.replace("0f", "1f"), stamp)
