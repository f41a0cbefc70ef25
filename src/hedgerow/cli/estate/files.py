"""The files of an estate, read from disk within limits; none that holds a private key is taken."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from hedgerow.estate import Source
from hedgerow.kernel import CallerError, ConfigurationError, UnavailableError

SUFFIXES: Final = frozenset(
    {".json", ".pem", ".crt", ".cer", ".cert", ".txt", ".yaml", ".yml", ".template"}
)
MAX_FILE_BYTES: Final = 64 * 1024 * 1024
MAX_BYTES: Final = 256 * 1024 * 1024
MAX_FILES: Final = 100_000
_PASSED_OVER: Final = frozenset({".git", "packages", "var", "log", "lib"})
"""Folders of a core's root, and of whoever keeps answers, in which nothing of an estate lies."""

_PRIVATE: Final = b"PRIVATE KEY-----"
_BESIDE: Final = "devices"


def source_of(
    path: Path,
    *,
    devices: Sequence[str] = (),
    beside: Path | None = None,
    parameters: Sequence[str] = (),
    group_name: str = "",
) -> Source:
    """Return the files of a folder, or one file, with what a person said of them.

    `devices` and `parameters` are texts of the form NAME=VALUE; `beside` is a folder of further
    certificates. Raises `CallerError` or `ConfigurationError` that names the path at fault.
    """
    files = dict(_files(path, ""))
    if beside is not None:
        files.update(_files(beside, f"{_BESIDE}/"))
    named = {name: _text(Path(file)) for name, file in _pairs(devices, "--device").items()}
    return Source(
        files=files,
        device_certificates=named,
        parameters=_pairs(parameters, "--parameter"),
        group_name=group_name,
    )


def _files(path: Path, prefix: str) -> Iterator[tuple[str, bytes]]:
    if path.is_file():
        found = [path]
        root = path.parent
    elif path.is_dir():
        found = sorted(_found(path))
        root = path
    else:
        raise CallerError(f"there is no file and no folder {path}")
    total = 0
    for number, file in enumerate(found, 1):
        data = _read(file)
        total += len(data)
        if total > MAX_BYTES or number > MAX_FILES:
            raise CallerError(
                f"{path} has more than {MAX_FILES} files or {MAX_BYTES} bytes to read; name the "
                "folder of the estate alone"
            )
        if _PRIVATE not in data:
            yield f"{prefix}{file.relative_to(root).as_posix()}", data


def _found(root: Path) -> Iterator[Path]:
    """Yield the files to read; a link to a folder is followed if it stays inside, once."""
    inside = root.resolve()
    seen = {inside}
    for folder, names, files in os.walk(root, followlinks=True, onerror=_unreadable):
        names[:] = sorted(
            name
            for name in names
            if name not in _PASSED_OVER and _enter(Path(folder, name), inside, seen)
        )
        for name in files:
            file = Path(folder, name)
            if file.suffix.lower() in SUFFIXES and _is_within(file, inside):
                yield file


def _is_within(file: Path, inside: Path) -> bool:
    """Tell whether it is a file in the folder; a pipe, say, would be waited for without end."""
    return file.resolve().is_relative_to(inside) and file.is_file()


def _enter(folder: Path, inside: Path, seen: set[Path]) -> bool:
    real = folder.resolve()
    if real in seen or not real.is_relative_to(inside):
        return False
    seen.add(real)
    return True


def _unreadable(error: OSError) -> None:
    raise UnavailableError(f"cannot read {error.filename}: {error.strerror}") from error


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise UnavailableError(f"cannot read {path}: {error.strerror}") from error
    if len(data) > MAX_FILE_BYTES:
        raise CallerError(f"{path} is over {MAX_FILE_BYTES} bytes")
    return data


def _text(path: Path) -> str:
    data = _read(path)
    if _PRIVATE in data:
        raise ConfigurationError(f"{path} holds a private key; name the certificate's file")
    return data.decode("ascii", errors="replace")


def _pairs(texts: Sequence[str], option: str) -> Mapping[str, str]:
    pairs: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise CallerError(f"{option} {text!r} is not of the form NAME=VALUE")
        pairs[name] = value
    return pairs
