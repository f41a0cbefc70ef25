"""What the local server goes by at one moment: who may come in, and where messages go."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Self

from hedgerow.core.deployment import VerifiedGroup, VerifiedMembership
from hedgerow.core.switchboard import Switchboard


@dataclass(frozen=True, slots=True)
class LocalMember:
    """A certificate that may connect, and the device it stands for.

    INVARIANT: made by `Serving` only, from a list and a group that were both verified.
    """

    certificate_id: str
    certificate_pem: str
    thing_name: str
    thing_arn: str


@dataclass(frozen=True, slots=True, eq=False)
class Serving:
    """An immutable snapshot; a deployment or a newer list of certificates makes another."""

    members: Mapping[str, Mapping[str, LocalMember]]
    """By certificate id, then by thing name: things may share a certificate."""

    switchboard: Switchboard
    devices: Mapping[str, LocalMember] = field(default_factory=lambda: MappingProxyType({}))
    """By thing name, under one of its certificates."""

    @classmethod
    def of(
        cls,
        group: VerifiedGroup,
        membership: VerifiedMembership | None,
        switchboard: Switchboard | None = None,
    ) -> Self:
        """Return the snapshot of a group with its list of certificates.

        A certificate counts only if its thing is a device of the group; without a list nobody
        may connect.
        """
        devices = {device.thing_name: device for device in group.group.devices}
        members: dict[str, dict[str, LocalMember]] = {}
        for entry in membership.entries if membership is not None else ():
            device = devices.get(entry.thing_name)
            if device is not None:
                members.setdefault(entry.certificate_id, {})[entry.thing_name] = LocalMember(
                    certificate_id=entry.certificate_id,
                    certificate_pem=entry.pem,
                    thing_name=entry.thing_name,
                    thing_arn=device.thing_arn,
                )
        return cls(
            members=MappingProxyType(members),
            switchboard=switchboard or Switchboard.compile(group.group.subscriptions),
            devices=MappingProxyType(
                {name: member for things in members.values() for name, member in things.items()}
            ),
        )

    def member(self, certificate_id: str, thing_name: str) -> LocalMember | None:
        """Return the device that this certificate may stand for under this name, or None."""
        return self.members.get(certificate_id, {}).get(thing_name)

    def recalled(self, certificate_id: str, thing_name: str) -> LocalMember | None:
        """Return the device of a session that began under this certificate, or None.

        If the certificate is gone and the device has another, the session is still the device's,
        but nothing that was left under the old one is said: what is returned is no `member`.
        """
        known, device = self.member(certificate_id, thing_name), self.devices.get(thing_name)
        if known is not None or device is None:
            return known
        return replace(device, certificate_id=certificate_id)

    @property
    def certificates_pem(self) -> tuple[str, ...]:
        """Exactly the certificates that may finish a handshake."""
        return tuple(
            next(iter(things.values())).certificate_pem for things in self.members.values()
        )


NOBODY = Serving(members=MappingProxyType({}), switchboard=Switchboard())
"""Before the first deployment, and after a reset."""
