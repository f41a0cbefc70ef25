"""How estates come in and go out: files in, an estate and findings out; and the way back.

A format is a `Reader`, a `Writer` or both; which there are stands in `readers` and `writers`.
Files are names and bytes here: who holds them on disk, and how large they may be, is the
command's business.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from hedgerow.estate.findings import Finding
from hedgerow.estate.values import Estate


@dataclass(frozen=True, slots=True)
class Source:
    """The files of a folder (or one file) by their relative POSIX paths, and what was said of them.

    `device_certificates` maps thing names to PEM texts that a person named one by one; files that
    hold a private key are never in `files`.
    """

    files: Mapping[str, bytes]
    device_certificates: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Values for a template's parameters."""
    group_name: str = ""
    """What to call the group where the files do not say it."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reader made of a source. Without an estate, a finding that blocks says why."""

    estate: Estate | None
    findings: Sequence[Finding] = ()


class Reader(Protocol):
    """Reads estates in one format. Pure: the same files give the same reading."""

    @property
    def name(self) -> str:
        """The format's name in commands: `core-folder`, `saved-answers`, `cloudformation`."""

    def recognises(self, source: Source) -> bool:
        """Tell whether files look like this format; cheap, and never raises."""

    def read(self, source: Source) -> Reading:
        """Return the estate, `in_order`, with everything worth saying of the way it was read.

        Files are untrusted: what is wrong becomes a finding with its place, never an exception.
        """


class Writer(Protocol):
    """Writes estates in one format."""

    @property
    def name(self) -> str:
        """The format's name in commands."""

    def write(self, estate: Estate) -> Mapping[str, bytes]:
        """Return the files by their relative paths.

        Where the format can be read, reading them gives the same estate.
        """
