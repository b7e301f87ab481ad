# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one error of this package: a sentence that says what failed, on what, and what to do."""

from __future__ import annotations


class KubeError(Exception):
    """What failed, on what, and where to look. Modules pass it to ``fail_json`` unchanged."""
