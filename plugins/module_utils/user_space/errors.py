# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one error of this package."""

from __future__ import annotations


class SpaceError(Exception):
    """What is wrong with which space, and what to do. Modules pass it to ``fail_json``, the controller writes it into the condition.

    :param reason: one word in CamelCase, for the condition.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
