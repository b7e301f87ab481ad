# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one error that the local modules turn into a sentence for people."""

from __future__ import annotations


class LocalError(Exception):
    """Something on the deploy host failed. The text says what, on which object, and what to do."""
