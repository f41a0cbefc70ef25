"""Who is in a deployed group, read from its file without its 10,000 rows. Pure."""

from dataclasses import dataclass
from typing import Self

import msgspec

from hedgerow.contract import CoreMember, decode


class _Device(msgspec.Struct, frozen=True, rename="pascal"):
    thing_name: str


class _Group(msgspec.Struct, frozen=True, rename="pascal"):
    """The part of a `contract.GroupDeployment` that is read here."""

    group_id: str
    deployment_id: str
    core: CoreMember
    devices: tuple[_Device, ...] = ()


@dataclass(frozen=True, slots=True)
class GroupMembers:
    """The core and the devices that a deployment serves; `devices` are names of things."""

    group_id: str
    deployment_id: str
    core: CoreMember
    devices: frozenset[str]

    @classmethod
    def read(cls, group: bytes) -> Self:
        """Read them from a `group.json` that the cloud made."""
        found = decode(group, _Group)
        devices = frozenset([device.thing_name for device in found.devices])
        return cls(found.group_id, found.deployment_id, found.core, devices)
