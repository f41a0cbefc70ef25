"""Software updates: the job that asks for one, what a package says of itself, and where files lie.

The pairs, the two kinds of software and the agent's log levels are those of guide page
core-ota-update; the operating systems and machines are spelt as the API spells them.
"""

import re
from typing import Final, Literal
from urllib.parse import quote

import msgspec

from hedgerow.kernel import PeerError, quoted

Software = Literal["core", "ota_agent"]

UPDATE_OPERATION: Final = "greengrass-software-update"
"""The `operation` of an update's job document; jobs of other operations are not the agent's."""

PACKAGE_FACTS = "package.json"
"""The file at the top of a package that holds its `PackageFacts`."""

ENTRIES: dict[Software, str] = {"core": "greengrassd", "ota_agent": "ggc-ota"}
"""The program of a package, under its documented name, by the kind of software."""

PAIRS = frozenset(
    {
        ("ubuntu", "x86_64"),
        ("ubuntu", "aarch64"),
        ("amazon_linux", "x86_64"),
        ("raspbian", "armv7l"),
        ("raspbian", "armv6l"),
        ("openwrt", "aarch64"),
        ("openwrt", "armv7l"),
    }
)
"""Operating systems and architectures that an update can be for."""

AgentLogLevel = Literal["NONE", "TRACE", "DEBUG", "VERBOSE", "INFO", "WARN", "ERROR", "FATAL"]
DEFAULT_AGENT_LOG_LEVEL: AgentLogLevel = "ERROR"

_VERSION = re.compile(r"(0|[1-9][0-9]{0,5})(\.(0|[1-9][0-9]{0,5})){1,3}", re.ASCII)
_METADATA = "/greengrass/updates/metadata"
_TARGETS = "/greengrass/updates/targets"


class _Document(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base: camelCase names, immutable."""


class SoftwareUpdate(_Document, frozen=True):
    """The job document of an update: which software, to which version, by which file."""

    operation: Literal["greengrass-software-update"]
    software: Software
    version: str
    target: str
    log_level: AgentLogLevel = DEFAULT_AGENT_LOG_LEVEL


class PackageFacts(_Document, frozen=True):
    """What a package is; the same stands in the package and, signed, beside its digest."""

    software: Software
    version: str
    operating_system: str
    architecture: str


def target_path(facts: PackageFacts) -> str:
    """Return the path of a package in the repository; `PeerError` for facts that are none."""
    require_version(facts.version)
    pair = (facts.operating_system, facts.architecture)
    if pair not in PAIRS:
        raise PeerError(f"there are no packages for {quoted('/'.join(pair))}")
    return f"{facts.software}/{facts.version}/{'-'.join(pair)}.tar.gz"


def require_version(version: str) -> str:
    """Return a version if it is two to four numbers with dots, else raise `PeerError`."""
    if not _VERSION.fullmatch(version):
        raise PeerError(f"{quoted(version)} is not a version; it has the form 1.2 or 1.2.3")
    return version


def version_order(version: str) -> tuple[int, ...]:
    """Return what versions are ordered by: 1.10.0 comes after 1.9.4."""
    return tuple(int(number) for number in require_version(version).split("."))


def update_metadata_path(name: str) -> str:
    """GET a file of the repository's signed metadata, judged on `updates_arn`."""
    return f"{_METADATA}/{quote(name, safe='')}"


def update_target_path(path: str) -> str:
    """GET a piece of a package (a range of at most 1 MiB), judged on `updates_arn`."""
    return f"{_TARGETS}/{quote(path, safe='/')}"


def updates_arn(region: str, account: str) -> str:
    """Return what fetching of updates is judged on: `greengrass:GetDeploymentArtifacts` on it."""
    return f"arn:aws:greengrass:{region}:{account}:/greengrass/updates"
