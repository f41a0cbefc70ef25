"""An estate in one JSON file, member for member: the format of `hedgerow export --format json`."""

from collections.abc import Mapping
from typing import Final

from hedgerow.estate.findings import blocks
from hedgerow.estate.formats import Reading, Source
from hedgerow.estate.values import Estate
from hedgerow.estate.wire import decoded, encoded
from hedgerow.kernel import CallerError

FILE_NAME: Final = "estate.json"


class OwnJson:
    """Reads and writes `estate.json`."""

    @property
    def name(self) -> str:
        """The format's name in commands."""
        return "json"

    def recognises(self, source: Source) -> bool:
        """Tell whether there is an `estate.json`."""
        return FILE_NAME in source.files

    def read(self, source: Source) -> Reading:
        """Return the estate as it was written."""
        data = source.files.get(FILE_NAME)
        if data is None:
            fault = blocks("FILE_MISSING", FILE_NAME, f"there is no {FILE_NAME}")
            return Reading(estate=None, findings=(fault,))
        try:
            return Reading(estate=decoded(data).in_order())
        except CallerError as error:
            fault = blocks("FILE_UNREADABLE", FILE_NAME, error.message)
            return Reading(estate=None, findings=(fault,))

    def write(self, estate: Estate) -> Mapping[str, bytes]:
        """Return the one file."""
        return {FILE_NAME: encoded(estate)}
