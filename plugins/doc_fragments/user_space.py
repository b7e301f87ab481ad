# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options of the modules about users' spaces."""

from __future__ import annotations


class ModuleDocFragment:
    """Documentation shared by the modules about users' spaces."""

    DOCUMENTATION = r"""
options:
  kubeconfig:
    description: Kubeconfig file of somebody who may do this.
    type: path
    required: true
requirements: [kubernetes]
"""

    SPACES = r"""
options:
  namespace:
    description: The hub's namespace, where UserSpaces and the list of user ids are.
    type: str
    default: hub
"""
