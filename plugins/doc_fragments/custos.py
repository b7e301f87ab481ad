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
      - Address of Custos, such as V(https://custos.example.org). The services are looked for below C(/apiserver) (O(api=v1.0.0)) or C(/api/v1) (O(api=v1)),
        unless the address has a path. With O(api=keycloak) the address of Keycloak, with C(/auth) where it has that.
      - Certificates are always verified.
    type: str
    required: true
  api:
    description:
      - Which API the server speaks. V(v1.0.0) is Custos of 2020 to 2023, V(v1) that of 2024 to 2026.
      - V(keycloak) is Keycloak's admin REST, for today's Custos, which registers nothing itself, and for Keycloak without Custos.
      - What one of them cannot do is refused with one sentence before anything is called. C(docs/custos.md) has the table.
    type: str
    choices: [v1.0.0, v1, keycloak]
    default: v1.0.0
  transport:
    description:
      - How to call Custos. V(https) needs nothing but Ansible.
      - V(custos-sdk) is gRPC with the stubs of custos-sdk, for a Custos of O(api=v1.0.0) whose proxy cannot be reached. Of O(url) host and port count.
        It needs C(requirements-custos-sdk.txt) in the Python that runs the module. C(docs/custos.md) says how.
    type: str
    choices: [https, custos-sdk]
    default: https
  realm:
    description: The realm to act in. Required with O(api=keycloak), and used only there.
    type: str
  auth_realm:
    description: The realm in which the account logs in, such as V(master), when it is not O(realm). Only with O(api=keycloak).
    type: str
  parent_client_id:
    description:
      - Client id of the tenant that acts. For tenants that somebody has to approve the super tenant's.
      - With O(api=keycloak) the client that logs in, V(admin-cli) when left out.
    type: str
  parent_client_secret:
    description:
      - Custos secret of that tenant.
      - With O(api=keycloak) the secret of the client that logs in, if it has one. Without O(parent_username) its service account acts.
    type: str
  parent_iam_client_secret:
    description: The tenant's secret at its Keycloak realm, where its people log in, when it differs from O(parent_client_secret). Only with O(api=v1).
    type: str
  parent_username:
    description: An administrator of that tenant or realm. Custos lets only people look up, change and delete clients.
    type: str
  parent_password:
    description: Password of the administrator.
    type: str
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
notes:
  - O(api=v1.0.0) and O(api=v1) need O(parent_client_id), O(parent_client_secret), O(parent_username) and O(parent_password).
"""

    CLIENT = r"""
options:
  registration:
    description:
      - V(child) is a client below the parent tenant. It is active at once.
      - V(admin) is a tenant of its own. The administrators of Custos approve it.
    type: str
    choices: [child, admin]
    default: child
"""

    CLIENT_FIELDS = r"""
options:
  redirect_uris:
    description: Where logins may return to. Compared without regard to order.
    type: list
    elements: str
  client_uri:
    description: The client's own address. It may be returned to as well, for example after a logout.
    type: str
  scopes:
    description:
      - What may be asked of people. Compared without regard to order.
      - With O(api=keycloak) these client scopes have to exist in the realm, and what all of the realm's clients have stays.
    type: list
    elements: str
  contacts:
    description: E-mail addresses of people to ask. Compared without regard to order.
    type: list
    elements: str
  requester_email:
    description: E-mail address of who asks for the client.
    type: str
  admin_first_name:
    description: First name of the client's administrator. Not with O(api=keycloak).
    type: str
  admin_last_name:
    description: Last name of the client's administrator. Not with O(api=keycloak).
    type: str
  admin_email:
    description: E-mail address of the client's administrator. Not with O(api=keycloak).
    type: str
  admin_username:
    description: Login of the client's administrator. Not with O(api=keycloak).
    type: str
  admin_password:
    description:
      - Password of the client's administrator, used when the client is registered. Never compared, since Custos never tells it.
      - Not with O(api=keycloak).
    type: str
  comment:
    description: Free text.
    type: str
  logo_uri:
    description: Address of a logo.
    type: str
  tos_uri:
    description: Address of the terms of service.
    type: str
  policy_uri:
    description: Address of the privacy policy.
    type: str
  jwks_uri:
    description: Address of the client's own keys. Not with O(api=keycloak).
    type: str
  application_type:
    description: Kind of application. Not with O(api=keycloak).
    type: str
  token_endpoint_auth_method:
    description:
      - How the client shows its secret.
      - With O(api=keycloak) V(none) makes a public client, one without a secret, which has to use PKCE (S256) instead; any other value one with a secret.
    type: str
  software_id:
    description: Identifier of the client's software. Not with O(api=keycloak).
    type: str
  software_version:
    description: Version of the client's software. Not with O(api=keycloak).
    type: str
  groups_claim:
    description:
      - The claim of the userinfo endpoint in which the client finds a person's groups, as paths such as V(/course). Empty for none.
      - Only with O(api=keycloak). A mapper that somebody made for the same claim is left as it is.
    type: str
    version_added: 0.2.0
"""
