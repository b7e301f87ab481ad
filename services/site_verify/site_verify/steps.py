"""Steps as data, and running them one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

import httpx

from site_verify.errors import VerifyError

C = TypeVar("C")


@dataclass(frozen=True)
class Step(Generic[C]):
    """One thing a user does and what must come of it.

    ``action`` gets the scenario's context and returns a short remark for the table (or an empty string).
    A step with ``always`` runs also after a failure: it tidies up.
    """

    name: str
    title: str
    action: Callable[[C], str]
    always: bool = False


@dataclass(frozen=True)
class StepResult:
    """What came of a step: ``status`` is ok, failed or skipped; ``message`` a remark or the reason."""

    name: str
    title: str
    status: str
    seconds: float
    message: str


def run_steps(steps: Iterable[Step[C]], context: C, on_result: Callable[[StepResult], None] | None = None) -> list[StepResult]:
    """Runs the steps in order. After the first failure only those with ``always`` run, the others are skipped.

    Only a VerifyError and a broken connection are failures of the site; anything else is a fault of this program and is raised.
    """
    results: list[StepResult] = []
    failed = ""
    for step in steps:
        if failed and not step.always:
            result = StepResult(step.name, step.title, "skipped", 0.0, f"not tried after {failed} failed")
        else:
            begun = time.monotonic()
            try:
                message, status = step.action(context), "ok"
            except VerifyError as error:
                message, status = str(error), "failed"
            except httpx.HTTPError as error:
                message, status = describe_http_error(error), "failed"
            result = StepResult(step.name, step.title, status, round(time.monotonic() - begun, 3), message)
            if status == "failed" and not failed:
                failed = step.name
        results.append(result)
        if on_result:
            on_result(result)
    return results


def describe_http_error(error: httpx.HTTPError) -> str:
    """A sentence for a connection that broke or never came up."""
    try:
        where = f"{error.request.method} {error.request.url.copy_with(query=None)}"
    except RuntimeError:
        where = "a request"
    return f"{where} got no answer: {type(error).__name__} {error}".rstrip()


def first_failure(results: Iterable[StepResult]) -> StepResult | None:
    """The first failed step, or None when all went well."""
    return next((result for result in results if result.status == "failed"), None)
