"""What the greengrass service keeps: one frozen document a record, and the kind it is kept under.

Times of making and changing stand in the record itself; documents hold only what it cannot know.
"""

from datetime import datetime
from typing import Any, Literal

import msgspec

from hedgerow.store import Kind

DEFAULT_CERTIFICATE_VALIDITY_MS = 604_800_000
"""A server certificate is valid for seven days unless the group says otherwise."""

DEFAULT_DEPLOYMENT_MINUTES = 24 * 60
"""A deployment is given a day unless the group says otherwise."""

DeploymentType = Literal["NewDeployment", "Redeployment", "ResetDeployment", "ForceResetDeployment"]
RESETS: frozenset[DeploymentType] = frozenset({"ResetDeployment", "ForceResetDeployment"})
DeploymentState = Literal["Building", "InProgress", "Success", "Failure"]


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """A named list of versions."""

    name: str | None = None
    latest_version: str | None = None
    tags: dict[str, str] = {}


class DefinitionVersion(msgspec.Struct, frozen=True, kw_only=True):
    """An immutable version: the members of the request, as they came. Its parent: a definition."""

    content: dict[str, Any]


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """A group: its name, newest version, tags, group role and certificate setting."""

    name: str
    latest_version: str | None = None
    tags: dict[str, str] = {}
    role_arn: str | None = None
    role_associated_at: datetime | None = None
    certificate_validity_ms: int = DEFAULT_CERTIFICATE_VALIDITY_MS


class GroupVersion(msgspec.Struct, frozen=True, kw_only=True):
    """An immutable choice of definition versions, by the model's member names. Parent: a group."""

    arns: dict[str, str]


class ServiceRole(msgspec.Struct, frozen=True, kw_only=True):
    """The account's service role in this region."""

    role_arn: str
    associated_at: datetime


class GroupSession(msgspec.Struct, frozen=True, kw_only=True):
    """Credentials of a group's role, under their key's id. The parent: the core's certificate."""

    expires_at: datetime


class Connectivity(msgspec.Struct, frozen=True, kw_only=True):
    """The addresses of a core, under its thing name. `version` changes with every change."""

    entries: tuple["ConnectivityAddress", ...]
    version: str


class ConnectivityAddress(msgspec.Struct, frozen=True, kw_only=True):
    """One address, as `UpdateConnectivityInfo` gives it."""

    id: str
    host_address: str
    port_number: int
    metadata: str = ""


class Authority(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate authority of a group, with its private key. Its parent is the group.

    `active` is the one that signs. A superseded one stays trusted until `trusted_until`, but only
    while every device certificate it issued to (`issued_to`) still belongs to the group's core.
    """

    certificate_pem: str
    key_pem: bytes
    active: bool = True
    trusted_until: datetime | None = None
    issued_to: tuple[str, ...] = ()
    last_issued_at: datetime | None = None

    def __repr__(self) -> str:
        """Show no key."""
        return f"Authority(active={self.active}, trusted_until={self.trusted_until})"


class Delegation(msgspec.Struct, frozen=True, kw_only=True):
    """An authority that a core was given, under its certificate's id. The parent: the group."""

    core_certificate_id: str
    authority_id: str
    names: tuple[str, ...]
    not_after: datetime


class ErrorDetail(msgspec.Struct, frozen=True, kw_only=True):
    """One reason for a failure: the code operators search for, and a sentence."""

    code: str
    message: str


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """One deployment of a group (its parent), and where it stands.

    `delivered` says that its notice was made for a core, named by `core_thing_arn`. `minutes` is
    how long it may take, counted from its making.
    """

    deployment_type: DeploymentType
    group_version_id: str
    state: DeploymentState = "Building"
    error_message: str = ""
    errors: tuple[ErrorDetail, ...] = ()
    core_thing_arn: str = ""
    core_thing_name: str = ""
    delivered: bool = False
    minutes: int = DEFAULT_DEPLOYMENT_MINUTES


class DeploymentFiles(msgspec.Struct, frozen=True, kw_only=True):
    """What the core fetches, under the deployment's id: never changed after it is written."""

    manifest: bytes
    group: bytes = b""


class Rollout(msgspec.Struct, frozen=True, kw_only=True):
    """What a group's core should run and does run, under the group's id.

    `running` is the deployment that is not finished, `target` the newest that was delivered,
    `serving` the last that succeeded. The core named here is the only one that may speak for the
    group. `membership_serial` counts changes of the membership list, whose digest stands beside.
    `reset_at` is when the group was last reset.
    """

    running: str | None = None
    target: str | None = None
    serving: str | None = None
    core_thing_arn: str = ""
    core_thing_name: str = ""
    membership_serial: int = 0
    membership_digest: str = ""
    reset_at: datetime | None = None


class ClientToken(msgspec.Struct, frozen=True, kw_only=True):
    """What a request with a client token was answered."""

    request_digest: str
    answer: dict[str, Any]


GROUP = Kind("greengrass-group", Group)
GROUP_VERSION = Kind("greengrass-group-version", GroupVersion)
SERVICE_ROLE = Kind("greengrass-service-role", ServiceRole)
GROUP_SESSION = Kind("greengrass-group-session", GroupSession)
CONNECTIVITY = Kind("greengrass-connectivity", Connectivity)
AUTHORITY = Kind("greengrass-group-authority", Authority)
DELEGATION = Kind("greengrass-delegation", Delegation)
DEPLOYMENT = Kind("greengrass-deployment", Deployment)
DEPLOYMENT_FILES = Kind("greengrass-deployment-files", DeploymentFiles)
ROLLOUT = Kind("greengrass-rollout", Rollout)
CLIENT_TOKEN = Kind("greengrass-client-token", ClientToken)
