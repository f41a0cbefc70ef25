"""What the registry keeps: things, groups of them, certificates and policies; frozen documents.

Certificates are stored under the SHA-256 of their DER, all others under their names.
"""

from datetime import datetime
from typing import Literal

import msgspec

from hedgerow.store import Kind

CertificateStatus = Literal["ACTIVE", "INACTIVE", "REVOKED", "PENDING_ACTIVATION"]
CaStatus = Literal["ACTIVE", "INACTIVE"]
CertificateMode = Literal["DEFAULT", "SNI_ONLY"]


class Thing(msgspec.Struct, frozen=True, kw_only=True):
    """A registered thing. `version` is AWS's: it grows with `UpdateThing`, not with attaching."""

    thing_id: str
    attributes: dict[str, str] = {}
    version: int = 1
    principals: tuple[str, ...] = ()
    """Ids of the attached certificates, oldest attachment first."""
    groups: tuple[str, ...] = ()
    """Names of the thing groups it is in; each has a `ThingGroupMember` for it."""
    thing_type: str = ""


class ThingType(msgspec.Struct, frozen=True, kw_only=True):
    """A name that things of one kind share. A deprecated one is given to no more things."""

    type_id: str
    description: str = ""
    searchable: tuple[str, ...] = ()
    deprecated_at: datetime | None = None


class ThingGroup(msgspec.Struct, frozen=True, kw_only=True):
    """A named set of things, and the policies that hold for all of them."""

    group_id: str
    description: str = ""
    attributes: dict[str, str] = {}
    version: int = 1
    policies: tuple[str, ...] = ()


class ThingGroupMember(msgspec.Struct, frozen=True, kw_only=True):
    """That a thing is in a group (the record's parent)."""

    thing_name: str
    membership_id: str = ""


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """A registered certificate, and everything that is attached to it.

    INVARIANT: `things` and every such thing's `principals` name each other, and for every one of
    `policies` there is a `PolicyTarget`; they change in one transaction.
    """

    pem: str
    status: CertificateStatus
    issued_here: bool
    """Signed by this cloud's device authority; otherwise it is its own trust anchor."""
    not_before: datetime
    not_after: datetime
    customer_version: int = 1
    things: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()
    exclusive_thing: bool = False
    """Attached as `EXCLUSIVE_THING`: no second thing may share this certificate."""
    ca_id: str = ""
    """The id of the registered authority it was registered under, if any."""


class CaCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """A registered authority. It admits nobody by itself."""

    pem: str
    status: CaStatus
    mode: CertificateMode
    not_before: datetime
    not_after: datetime
    customer_version: int = 1
    auto_registration: bool = False
    """Whether what it has signed is registered when it first connects."""
    proof_given: bool = False

    @property
    def proven(self) -> bool:
        """Whether the account has shown that it holds the key."""
        return self.proof_given or self.mode == "DEFAULT"


class RegistrationCode(msgspec.Struct, frozen=True, kw_only=True):
    """What an authority signs to show that its key is the caller's."""

    code: str


class EventConfigurations(msgspec.Struct, frozen=True, kw_only=True):
    """Which kinds of events are told; `registry_events.KINDS` says it of those not here."""

    enabled: dict[str, bool] = {}


class RoleAlias(msgspec.Struct, frozen=True, kw_only=True):
    """A name under which devices get credentials of a role."""

    role_arn: str
    duration_s: int


def member_id(group_name: str, thing_name: str) -> str:
    """Return the id of a `ThingGroupMember`; neither name can hold a slash."""
    return f"{group_name}/{thing_name}"


class PolicyVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One immutable version of a policy: the text as it was given."""

    version_id: int
    text: str
    created_at: datetime


class IotPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """A policy with its versions, oldest first; version ids are never used twice."""

    versions: tuple[PolicyVersion, ...]
    default_version_id: int
    last_version_id: int
    generation_id: str

    def version(self, version_id: int) -> PolicyVersion | None:
        """Return the version with this id, or None."""
        return next((v for v in self.versions if v.version_id == version_id), None)

    @property
    def default_text(self) -> str:
        """The text of the version in force."""
        version = self.version(self.default_version_id)
        return version.text if version is not None else ""


class PolicyTarget(msgspec.Struct, frozen=True, kw_only=True):
    """That a policy (the record's parent) is attached to a certificate or a thing group."""

    arn: str


THING = Kind("thing", Thing)
THING_TYPE = Kind("thing-type", ThingType)
THING_GROUP = Kind("thing-group", ThingGroup)
THING_GROUP_MEMBER = Kind("thing-group-member", ThingGroupMember)
CERTIFICATE = Kind("certificate", Certificate)
CA_CERTIFICATE = Kind("ca-certificate", CaCertificate)
EVENT_CONFIGURATIONS = Kind("event-configurations", EventConfigurations)
ROLE_ALIAS = Kind("role-alias", RoleAlias)
REGISTRATION_CODE = Kind("registration-code", RegistrationCode)
IOT_POLICY = Kind("iot-policy", IotPolicy)
POLICY_TARGET = Kind("iot-policy-target", PolicyTarget)
