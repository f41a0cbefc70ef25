"""The files of one device, as any AWS IoT device has them."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class DeviceFiles:
    """A registered thing, its certificate and key, and the root certificate it trusts."""

    thing_name: str
    thing_arn: str
    certificate_arn: str
    certificate_id: str
    certificate: Path
    key: Path
    root_ca: Path


@dataclass(frozen=True, slots=True)
class FoundCore:
    """What discovery said: the addresses of a core, and the authorities that vouch for it."""

    thing_arn: str
    addresses: tuple[tuple[str, int], ...]
    ca_pem: str
