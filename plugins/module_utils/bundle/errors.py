# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Errors of this package: one sentence each that says what failed, on what, and what to do."""

from __future__ import annotations


class BundleError(Exception):
    """What failed, on what, and what to do. The module passes it to ``fail_json`` unchanged."""


class RecipeError(BundleError):
    """A recipe, ``versions.yml`` or the list of programs says something that cannot be built."""


class DownloadError(BundleError):
    """A file could not be fetched, or is not what it should be."""


class CommandError(BundleError):
    """A program ended with an error. ``tail`` has its last lines."""

    def __init__(self, message: str, tail: str = "") -> None:
        super().__init__(message)
        self.tail = tail


class ItemError(BundleError):
    """An item could not be made: names the item, its last lines and its log."""

    def __init__(self, name: str, reason: str, tail: str, log: str) -> None:
        text = f"{name} could not be made: {reason} Its log is {log}."
        super().__init__(f"{text} Last lines:\n{tail}" if tail else text)
        self.name = name


class InterruptedBuildError(BundleError):
    """The build was stopped from outside; what was finished is kept."""
