"""Who may come in: the proof value for devices, and the rules it stands on. Pure."""

import re
from collections.abc import Collection
from dataclasses import dataclass, field

from hedgerow.kernel import DeniedError
from hedgerow.policy import NamedPolicy

_SEAL = object()
_CORE_CONNECTION = re.compile(r"(.+)-c[0-9]{2,3}")


@dataclass(frozen=True, slots=True)
class AdmittedDevice:
    """A device whose certificate is registered, ACTIVE, attached to a thing and has a policy.

    INVARIANT: only `admitted_device` makes these, and only `DeviceDirectory` calls that. It tells
    what was so when it was made; `DeviceDirectory.authorize` always judges by what is so now.
    """

    account: str
    region: str
    certificate_id: str
    things: tuple[str, ...]
    policies: tuple[NamedPolicy, ...]
    """The policies attached to the certificate itself."""
    group_policies: tuple[NamedPolicy, ...]
    """The policies of the thing groups that its things are in."""
    _seal: object = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        if self._seal is not _SEAL:
            raise TypeError("an AdmittedDevice comes from DeviceDirectory.admit only")


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """What the directory knows of one registered certificate."""

    active: bool
    status: str
    things: tuple[str, ...]
    policies: tuple[str, ...]
    anchor_pem: str | None
    """The certificate itself if it was registered without its authority, else None."""


def require_admissible(certificate_id: str, facts: CertificateFacts | None) -> CertificateFacts:
    """Return the facts if all three conditions hold, else raise `DeniedError` that says which not.

    Source: guide page device-auth: a registered thing, an active certificate attached to it, and
    a policy attached to the certificate.
    """
    shown = f"certificate {certificate_id[:10]}…"
    if facts is None:
        raise DeniedError(f"{shown} is not registered in this account")
    if not facts.active:
        raise DeniedError(f"{shown} is {facts.status}; it has to be ACTIVE")
    if not facts.things:
        raise DeniedError(f"{shown} is attached to no thing; use iot:AttachThingPrincipal")
    if not facts.policies:
        raise DeniedError(f"no policy is attached to {shown}; use iot:AttachPolicy")
    return facts


def admitted_device(
    account: str,
    region: str,
    certificate_id: str,
    things: tuple[str, ...],
    policies: tuple[NamedPolicy, ...],
    group_policies: tuple[NamedPolicy, ...],
) -> AdmittedDevice:
    """Make the proof. For `DeviceDirectory` only, after `require_admissible`."""
    return AdmittedDevice(
        account=account,
        region=region,
        certificate_id=certificate_id,
        things=things,
        policies=policies,
        group_policies=group_policies,
        _seal=_SEAL,
    )


def needs_own_policy(action: str) -> bool:
    """Whether only a policy on the certificate itself can grant an action, none of a thing group.

    Source: guide page device-auth, on the actions of the Greengrass data plane.
    """
    return action.lower().startswith("greengrass:")


def bound_thing(things: Collection[str], client_id: str) -> str | None:
    """Return the attached thing that a client id stands for, or None.

    That is the thing of this very name; or, for a core's further connections `<thing>-c00` to
    `<thing>-c250`, the core's thing, so that thing policy variables work for cores as well.
    """
    if client_id in things:
        return client_id
    match = _CORE_CONNECTION.fullmatch(client_id)
    return match[1] if match is not None and match[1] in things else None
