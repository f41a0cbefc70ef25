"""Which formats there are, in the order in which files are tried for them."""

from collections.abc import Mapping
from typing import Final

from hedgerow.estate.cloudformation_reading import CloudFormation
from hedgerow.estate.core_folder import CoreFolder
from hedgerow.estate.findings import blocks
from hedgerow.estate.formats import Reader, Reading, Source, Writer
from hedgerow.estate.own_core_folder import OwnCoreFolder
from hedgerow.estate.own_files import OwnFiles
from hedgerow.estate.own_json import OwnJson
from hedgerow.estate.saved_answers import SavedAnswers
from hedgerow.kernel import CallerError, quoted

READERS: Final[tuple[Reader, ...]] = (
    OwnFiles(),
    OwnJson(),
    OwnCoreFolder(),
    CoreFolder(),
    SavedAnswers(),
    CloudFormation(),
)
WRITERS: Final[Mapping[str, Writer]] = {
    writer.name: writer for writer in (OwnFiles(), OwnJson(), CloudFormation())
}


def read(source: Source, format_name: str = "") -> Reading:
    """Read an estate in the format that is named, or in the first that recognises the files."""
    if format_name:
        return _named(format_name).read(source)
    for reader in READERS:
        if reader.recognises(source):
            return reader.read(source)
    names = ", ".join(reader.name for reader in READERS)
    return Reading(
        estate=None,
        findings=(
            blocks(
                "UNKNOWN_FORMAT",
                "",
                f"the files are in none of the formats that can be read ({names}); name one",
            ),
        ),
    )


def writer(format_name: str) -> Writer:
    """Return the writer of a format, or raise `CallerError` that says which there are."""
    found = WRITERS.get(format_name)
    if found is None:
        raise CallerError(
            f"there is no format {quoted(format_name)} to write; there are {', '.join(WRITERS)}"
        )
    return found


def _named(format_name: str) -> Reader:
    for reader in READERS:
        if reader.name == format_name:
            return reader
    names = ", ".join(reader.name for reader in READERS)
    raise CallerError(f"there is no format {quoted(format_name)} to read; there are {names}")
