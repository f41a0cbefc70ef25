"""What an estate is: things, certificates, policies and groups, as values and nothing else.

Names and contents are as they were where the estate comes from (`Origin`): ARNs in policies and
definitions name its account and region, and `relocation` turns them into those of another cloud.
No private key has a place here. `in_order` makes two estates with the same content equal.
"""

from typing import Any, Literal

import msgspec

DefinitionName = Literal[
    "Connector", "Core", "Device", "Function", "Logger", "Resource", "Subscription"
]
"""The seven kinds of definition, as operation and member names have them."""

DEFINITION_NAMES: tuple[DefinitionName, ...] = (
    "Connector",
    "Core",
    "Device",
    "Function",
    "Logger",
    "Resource",
    "Subscription",
)
CertificateStatus = Literal["ACTIVE", "INACTIVE", "REVOKED"]
DEFAULT_CERTIFICATE_VALIDITY_MS = 604_800_000


class _Value(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename="camel",
    forbid_unknown_fields=True,
):
    """Base of all parts: immutable, camelCase in JSON, and nothing in it that is not known."""


class Origin(_Value, frozen=True):
    """The account and region that the ARNs of an estate name."""

    account: str
    region: str
    partition: str = "aws"


class ThingType(_Value, frozen=True):
    """A name that things of one kind share."""

    name: str
    description: str = ""
    searchable: tuple[str, ...] = ()


class ThingGroup(_Value, frozen=True):
    """A named set of things, and the names of the policies that hold for all of them."""

    name: str
    description: str = ""
    attributes: dict[str, str] = {}
    policies: tuple[str, ...] = ()


class Thing(_Value, frozen=True):
    """A thing, with the ids of the certificates attached to it."""

    name: str
    attributes: dict[str, str] = {}
    thing_type: str = ""
    thing_groups: tuple[str, ...] = ()
    certificates: tuple[str, ...] = ()


class Certificate(_Value, frozen=True):
    """A certificate under its id (SHA-256 of the DER), with the names of its policies.

    `pem` is empty where only the id is known: such a certificate cannot be registered.
    """

    id: str
    pem: str = ""
    status: CertificateStatus = "ACTIVE"
    policies: tuple[str, ...] = ()


class Policy(_Value, frozen=True):
    """A policy's name and the text that is in force."""

    name: str
    document: str


class Definition(_Value, frozen=True):
    """A definition with the content of the one version that the group uses.

    `content` has the members of the API's version: `{"Cores": [...]}`.
    """

    kind: DefinitionName
    content: dict[str, Any]
    name: str | None = None
    tags: dict[str, str] = {}

    @property
    def listed(self) -> tuple[dict[str, Any], ...]:
        """What it lists: its cores, devices, subscriptions."""
        entities = self.content.get(f"{self.kind}s")
        return (
            tuple(one for one in entities if isinstance(one, dict))
            if isinstance(entities, list)
            else ()
        )


class Address(_Value, frozen=True):
    """One address of a group's core."""

    id: str
    host: str
    port: int
    metadata: str = ""


class Group(_Value, frozen=True):
    """A group with the definitions of one version: at most one of each kind.

    Its id is kept, because policies name it. `role_arn` is the role it had; a role itself is not
    part of an estate.
    """

    id: str
    name: str
    tags: dict[str, str] = {}
    definitions: tuple[Definition, ...] = ()
    addresses: tuple[Address, ...] = ()
    role_arn: str = ""
    certificate_validity_ms: int = DEFAULT_CERTIFICATE_VALIDITY_MS

    def entities(self, kind: DefinitionName) -> tuple[dict[str, Any], ...]:
        """Return what the definition of a kind lists: its cores, devices, subscriptions."""
        return tuple(
            entity
            for definition in self.definitions
            if definition.kind == kind
            for entity in definition.listed
        )


class Estate(_Value, frozen=True):
    """Everything that one import brings, or one export takes along."""

    origin: Origin
    thing_types: tuple[ThingType, ...] = ()
    thing_groups: tuple[ThingGroup, ...] = ()
    things: tuple[Thing, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    policies: tuple[Policy, ...] = ()
    groups: tuple[Group, ...] = ()

    def in_order(self) -> "Estate":
        """Return the same estate with every list that has no order of its own sorted."""
        return Estate(
            origin=self.origin,
            thing_types=tuple(sorted(self.thing_types, key=lambda one: one.name)),
            thing_groups=tuple(sorted(self.thing_groups, key=lambda one: one.name)),
            things=tuple(sorted(self.things, key=lambda one: one.name)),
            certificates=tuple(
                msgspec.structs.replace(one, policies=tuple(sorted(one.policies)))
                for one in sorted(self.certificates, key=lambda one: one.id)
            ),
            policies=tuple(sorted(self.policies, key=lambda one: one.name)),
            groups=tuple(
                msgspec.structs.replace(
                    one,
                    definitions=tuple(sorted(one.definitions, key=lambda each: each.kind)),
                    addresses=tuple(sorted(one.addresses, key=lambda each: each.id)),
                )
                for one in sorted(self.groups, key=lambda one: one.id)
            ),
        )
