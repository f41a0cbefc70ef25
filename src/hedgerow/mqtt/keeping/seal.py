"""What a keeper wants of whoever encrypts its files."""

from typing import ClassVar, Protocol

from hedgerow.kernel import HedgerowError


class BrokenSealError(HedgerowError):
    """Sealed bytes are not what was sealed under this key for this place."""

    code: ClassVar[str] = "BrokenSeal"


class FileSealer(Protocol):
    """Seals and opens what lies in one file."""

    def seal(self, plain: bytes, associated: bytes) -> bytes:
        """Return the bytes encrypted and bound to the associated data, never twice alike."""

    def open(self, sealed: bytes, associated: bytes) -> bytes:
        """Return what was sealed, or raise `BrokenSealError`."""


class Sealer(Protocol):
    """Makes a cipher for every file, so that no key is used without bound."""

    def for_file(self, salt: bytes) -> FileSealer:
        """Return the cipher of the file that has this salt."""
