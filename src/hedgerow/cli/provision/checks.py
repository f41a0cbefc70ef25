"""What can be known to be wrong before anything is made."""

import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Final

from hedgerow.cli.provision.api import CloudApi
from hedgerow.cli.provision.row import Row
from hedgerow.contract import CLOUD, SHADOW_SERVICE
from hedgerow.kernel import CallerError, ConfigurationError, quoted

_THING_NAME: Final = re.compile(r"[a-zA-Z0-9:_-]{1,128}")
"""AWS IoT's own pattern of a thing's name."""


def require_thing_names(names: Sequence[str]) -> None:
    """Return if each name can be a thing's, and none is given twice."""
    for number, name in enumerate(names):
        if not _THING_NAME.fullmatch(name):
            raise CallerError(
                f"{quoted(name)} cannot be a thing's name; use up to 128 letters, digits and "
                "the characters : _ -"
            )
        if name in names[:number]:
            raise CallerError(f"{quoted(name)} is named twice; every core and device needs its own")


def require_free(folder: Path, thing_name: str) -> None:
    """Return if the files of a new identity can go into a folder."""
    if list(folder.glob("*.cert.pem")):
        raise ConfigurationError(
            f"{folder} already holds a certificate; name another folder for {thing_name} "
            "(--help says by which option)"
        )
    nearest = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    if not nearest.is_dir():
        raise ConfigurationError(f"{nearest} is not a folder; name another one for {thing_name}")


def require_rows(api: CloudApi, rows: Iterable[Row], made: Collection[str]) -> None:
    """Return if both ends of each row are made by this command, or are there already."""
    ends = {end for row in rows for end in (row.source, row.target)}
    for end in sorted(ends.difference(made, (CLOUD, SHADOW_SERVICE))):
        if not end.startswith("arn:") and not is_thing(api, end):
            raise CallerError(
                f"--row names {quoted(end)}, and there is no such thing; give the name of a thing, "
                "of a device that this command makes, 'cloud' or 'GGShadowService'"
            )


def is_thing(api: CloudApi, name: str) -> bool:
    """Tell whether the account has a thing of that name."""
    if not _THING_NAME.fullmatch(name):
        return False
    try:
        api.call("iot", "describe_thing", thingName=name)
    except CallerError as error:
        if error.reason_code != "ResourceNotFoundException":
            raise
        return False
    return True
