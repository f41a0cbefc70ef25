"""Copies of the files that a core cannot start without, for the day a power cut damages one.

After every good start the core keeps `config.json`, its certificate and the root certificates as
they are now, in a record of two checksummed slots. A file that a power cut has left empty, zeroed
or cut short is put back from there, and that is told. A file that is merely wrong is somebody's
mistake: it is refused with its fault as ever, and so is one that is not there any more.

The private key is not copied: it is written once, in one step, and never leaves its file.
"""

import stat
from pathlib import Path
from typing import Final

import msgspec

from hedgerow.core.config.values import CoreConfig
from hedgerow.pki import TwinFile, write_private, write_public

_SLOTS: Final = Path("ggc", "var", "state", "last-good")
_FILE_BYTES_LIMIT: Final = 1_048_576
_OTHERS_READ: Final = stat.S_IRGRP | stat.S_IROTH
_BEGIN: Final = b"-----BEGIN CERTIFICATE-----"
_END: Final = b"-----END CERTIFICATE-----"
_CONFIG_NAME: Final = "config.json"


class _Copy(msgspec.Struct, frozen=True, kw_only=True):
    """A file as it was; the path is relative to the root if it lies below it."""

    path: str
    data: bytes
    is_public: bool

    def __repr__(self) -> str:
        """Show no content: a configuration may hold a PIN and a password."""
        return f"_Copy({self.path!r})"


class _Record(msgspec.Struct, frozen=True, kw_only=True):
    files: tuple[_Copy, ...]


class LastGood:
    """The copies of one root folder. Blocking, and short."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        self._twin = TwinFile(self._root / _SLOTS)

    def mend(self) -> tuple[str, ...]:
        """Put back what was damaged, and say so, each in a sentence."""
        return tuple(
            said
            for copy in self._kept()
            if (said := self._mended(copy, self._root / copy.path)) is not None
        )

    def keep(self, config: CoreConfig) -> None:
        """Take copies of the files as they are, if they have changed; `OSError` if that fails.

        A core whose writes were moved out of its root writes nothing there, and needs no copies.
        """
        if config.folders.write != self._root / "ggc":
            return
        paths = (config.path, config.certificate_path, config.ca_path)
        files = tuple(self._copy(path) for path in dict.fromkeys(paths))
        if files != self._kept():
            self._twin.write(msgspec.json.encode(_Record(files=files)))

    def _kept(self) -> tuple[_Copy, ...]:
        payload = self._twin.read().payload
        if payload is None:
            return ()
        try:
            return msgspec.json.decode(payload, type=_Record).files
        except msgspec.DecodeError:
            return ()

    def _copy(self, path: Path) -> _Copy:
        with path.open("rb") as file:
            data = file.read(_FILE_BYTES_LIMIT)
        place = path.relative_to(self._root) if path.is_relative_to(self._root) else path
        is_public = bool(path.stat().st_mode & _OTHERS_READ)
        return _Copy(path=str(place), data=data, is_public=is_public)

    @staticmethod
    def _mended(copy: _Copy, path: Path) -> str | None:
        """Put a damaged file back and return what to say of it, None for a file that is whole."""
        try:
            damage = damage_of(path)
            if damage is None:
                return None
            write = write_public if copy.is_public else write_private
            path.replace(path.with_name(f"{path.name}.damaged"))
            write(path, copy.data)
        except FileNotFoundError:
            return None
        except OSError as error:
            return f"{path} is damaged and cannot be put back: {error.strerror}"
        return (
            f"{path} was {damage} and is put back as it was at the last good start; "
            f"what was there is {path.name}.damaged, and later changes have to be made again"
        )


def damage_of(path: Path) -> str | None:
    """Return what a power cut has left of a file in a word or two, None if it is whole.

    Raises `OSError` if it cannot be read.
    """
    with path.open("rb") as file:
        data = file.read(_FILE_BYTES_LIMIT)
    if not data.strip(b"\0 \t\r\n"):
        return "empty"
    if b"\0" in data:
        return "zeroed in part"
    is_cut = _is_cut_json(data) if path.name == _CONFIG_NAME else _is_cut_pem(data)
    return "cut short" if is_cut else None


def _is_cut_json(data: bytes) -> bool:
    try:
        msgspec.json.decode(data)
    except msgspec.DecodeError as error:
        return "truncated" in str(error)
    except UnicodeDecodeError:
        return False
    return False


def _is_cut_pem(data: bytes) -> bool:
    return data.count(_BEGIN) > data.count(_END)
