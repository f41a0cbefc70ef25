"""The documents that travel between cloud and core, as frozen types.

Field names on the wire are AWS's where AWS has the field. Unknown fields are ignored, so that a
newer cloud can talk to an older core; missing ones are an error that names the field.
"""

from datetime import datetime
from typing import Literal, TypeVar

import msgspec

from hedgerow.kernel import PeerError

CLOUD = "cloud"
"""Source or target of a subscription row: the cloud's broker."""

SHADOW_SERVICE = "GGShadowService"
"""Source or target of a subscription row: the core's local shadow service."""


class _Document(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """Base of every document: immutable, named on the wire in AWS's PascalCase."""


class SubscriptionRow(_Document, frozen=True):
    """One row of the subscription table: messages from `source` on `subject` go to `target`.

    `source` and `target` are thing ARNs, function ARNs, connector ARNs, `cloud` or
    `GGShadowService`; `subject` is an MQTT topic filter.
    """

    id: str
    source: str
    subject: str
    target: str


class CoreMember(_Document, frozen=True):
    """The one core of a group."""

    id: str
    thing_arn: str
    thing_name: str
    certificate_id: str
    sync_shadow: bool = False


class DeviceMember(_Document, frozen=True):
    """A client device of a group; the certificates it may use stand in `Membership`."""

    id: str
    thing_arn: str
    thing_name: str
    sync_shadow: bool = False


class FunctionMember(_Document, frozen=True):
    """A function of a group. `configuration` and `environment` are as the definition gave them."""

    id: str
    function_arn: str
    configuration: dict[str, object] = {}
    environment: dict[str, str] = {}


class GroupDeployment(_Document, frozen=True):
    """Everything a core needs to serve its group, resolved to values: the artifact `group.json`."""

    deployment_id: str
    group_id: str
    group_version_id: str
    account: str
    region: str
    core: CoreMember
    devices: tuple[DeviceMember, ...] = ()
    subscriptions: tuple[SubscriptionRow, ...] = ()
    functions: tuple[FunctionMember, ...] = ()
    group_certificate_authorities: tuple[str, ...] = ()
    """PEM certificates of the group's authorities, the active one last."""
    server_certificate_validity_in_milliseconds: int = 604_800_000


def with_shared_names(deployment: GroupDeployment) -> GroupDeployment:
    """Return an equal document in which equal sources and targets of rows are one object.

    A full group has 20,000 of them, of 2,500 devices.
    """
    known = {device.thing_arn: device.thing_arn for device in deployment.devices}

    def one(text: str) -> str:
        return known.setdefault(text, text)

    rows = tuple(
        SubscriptionRow(
            id=row.id, source=one(row.source), subject=row.subject, target=one(row.target)
        )
        for row in deployment.subscriptions
    )
    return msgspec.structs.replace(deployment, subscriptions=rows)


class DeviceCertificate(_Document, frozen=True):
    """A certificate that a member device may present. `certificate_id` is SHA-256 of its DER."""

    certificate_id: str
    pem: str
    thing_name: str


class Membership(_Document, frozen=True):
    """Which certificates are valid for the group's devices now: the artifact `membership.json`.

    It changes without a deployment (revocation, a new certificate); `serial` only ever grows, so
    that an older list can never replace a newer one.
    """

    group_id: str
    deployment_id: str
    serial: int
    certificates: tuple[DeviceCertificate, ...] = ()


class ArtifactReference(_Document, frozen=True):
    """Name, size in bytes and SHA-256 (hex) of a file that belongs to a deployment."""

    name: str
    size: int
    sha256: str


class DeploymentManifest(_Document, frozen=True):
    """What the cloud signs for a deployment; the digests extend the signature to the artifacts.

    `reset_at` is when the group was last reset: a core that was away then, and still has what was
    deployed before, wipes that first.
    """

    deployment_id: str
    deployment_type: Literal[
        "NewDeployment", "Redeployment", "ResetDeployment", "ForceResetDeployment"
    ]
    group_id: str
    group_version_id: str
    core_thing_arn: str
    created_at: datetime
    artifacts: tuple[ArtifactReference, ...] = ()
    reset_at: datetime | None = None


class DeploymentNotice(_Document, frozen=True):
    """The `desired` state of the shadow of `<core>-gda`: what the core should be running now.

    `membership_serial` is the newest serial of the membership list of the group; `role_version`
    changes with every change of the group's role, and is empty without one.
    """

    group_id: str
    deployment_id: str
    deployment_type: str
    membership_serial: int = 0
    role_version: str = ""


class DeploymentStatusReport(_Document, frozen=True):
    """What the core says about a deployment."""

    status: Literal["InProgress", "Success", "Failure"]
    error_message: str = ""


MAX_ADDRESSES = 64
"""So many addresses a core has at most."""


class ConnectivityEntry(_Document, frozen=True):
    """One address of a core, as in `greengrass:UpdateConnectivityInfo`."""

    id: str
    host_address: str
    port_number: int
    metadata: str = ""


class ConnectivityInfo(_Document, frozen=True):
    """All addresses of a core. `version` is the cloud's, for seeing a change."""

    connectivity_info: tuple[ConnectivityEntry, ...] = ()
    version: str = ""


class CertificateRequest(_Document, frozen=True):
    """The core's request for an MQTT server certificate: a PKCS#10 request in PEM.

    `announced` are addresses that the core is going to publish once it serves a certificate that
    names them, so that no client learns an address before that. It asks with the same words for
    an authority of its own.
    """

    group_id: str
    certificate_signing_request: str
    announced: tuple[ConnectivityEntry, ...] = ()


class CertificateAnswer(_Document, frozen=True):
    """The server certificate (PEM), its authority (PEM) and when it ends."""

    certificate: str
    authority: str
    not_after: datetime


class GroupCredentials(_Document, frozen=True):
    """Temporary credentials of a group's role, on their way from the cloud to the group's core."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    expires_at: datetime
    role_arn: str

    def __repr__(self) -> str:
        """Show neither key nor token."""
        return f"GroupCredentials(role_arn={self.role_arn!r}, expires_at={self.expires_at})"


class NamedShadows(_Document, frozen=True, rename="camel", omit_defaults=True):
    """Names of a thing's named shadows, as AWS IoT's API writes them; without a token, the last."""

    results: tuple[str, ...]
    timestamp: int
    next_token: str | None = None


_D = TypeVar("_D", bound=msgspec.Struct)


def encode(document: msgspec.Struct) -> bytes:
    """Return the document as canonical JSON: keys sorted, no white space, the same every time."""
    return msgspec.json.encode(document, order="deterministic")


def decode(data: bytes, kind: type[_D]) -> _D:
    """Read a document, or raise `PeerError` that names the field at fault."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PeerError(f"not a {kind.__name__}: {error}") from error
