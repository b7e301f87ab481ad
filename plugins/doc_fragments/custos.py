# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options of all modules that talk to Custos."""

from __future__ import annotations


class ModuleDocFragment:
    """Documentation shared by the Custos modules."""

    DOCUMENTATION = r"""
options:
  url:
    description:
      - Address of Custos, such as V(https://custos.example.org). The services are looked for below C(/apiserver) unless the address has a path.
      - Certificates are always verified.
    type: str
    required: true
  api:
    description: Which of Custos' APIs the server speaks.
    type: str
    choices: [v1.0.0]
    default: v1.0.0
  parent_client_id:
    description: Client id of the tenant that the client belongs to. For O(registration=admin) the super tenant's.
    type: str
    required: true
  parent_client_secret:
    description: Custos secret of that tenant.
    type: str
    required: true
  parent_username:
    description: An administrator of that tenant. Custos lets only people look up, change and delete clients.
    type: str
    required: true
  parent_password:
    description: Password of the administrator.
    type: str
    required: true
  registration:
    description:
      - V(child) is a client below the parent tenant. It is active at once.
      - V(admin) is a tenant of its own. The administrators of Custos approve it.
    type: str
    choices: [child, admin]
    default: child
  ca_path:
    description: File of certificate authorities to trust instead of the system's.
    type: path
  use_proxy:
    description: Whether the proxy that the environment names is used.
    type: bool
    default: true
  timeout_seconds:
    description: How long one call may take.
    type: int
    default: 30
  retries:
    description: How often a call that may be repeated is tried again when the server is not reached or is overloaded. Registrations are never sent twice.
    type: int
    default: 4
"""
