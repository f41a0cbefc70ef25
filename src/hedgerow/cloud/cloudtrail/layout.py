"""Where delivered files lie inside a bucket, and how they are named, as AWS names them.

    PREFIX/AWSLogs/ACCOUNT/CloudTrail/REGION/YYYY/MM/DD/
        ACCOUNT_CloudTrail_REGION_YYYYMMDDTHHmmZ_RANDOM.json.gz
    PREFIX/AWSLogs/ACCOUNT/CloudTrail-Digest/REGION/YYYY/MM/DD/
        ACCOUNT_CloudTrail-Digest_REGION_TRAIL_REGION_YYYYMMDDTHHmmssZ.json.gz

A digest's signature lies beside it with `.signature` added to the name, in hex; AWS has it in the
object's metadata.
"""

import re
import secrets
import string
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

LOGS: Final = "CloudTrail"
DIGESTS: Final = "CloudTrail-Digest"
SUFFIX: Final = ".json.gz"
SIGNATURE_SUFFIX: Final = ".signature"
_RANDOM_CHARACTERS: Final = 16
_ALPHABET: Final = string.ascii_letters + string.digits
_LOG_NAME = re.compile(
    r"(?:(?P<prefix>.+)/)?AWSLogs/(?P<account>\d{12})/CloudTrail/(?P<region>[a-z0-9-]+)/\d{4}/\d\d/\d\d/"
    r"\d{12}_CloudTrail_[a-z0-9-]+_(?P<time>\d{8}T\d{4}Z)_[A-Za-z0-9]{16}\.json\.gz",
    re.DOTALL,  # a folder's name may have any character: what lies in it is seen
)
_DIGEST_NAME = re.compile(
    r"(?:(?P<prefix>.+)/)?AWSLogs/(?P<account>\d{12})/CloudTrail-Digest/(?P<region>[a-z0-9-]+)/\d{4}/\d\d/\d\d/"
    r"\d{12}_CloudTrail-Digest_[a-z0-9-]+_(?P<trail>.+)_[a-z0-9-]+_(?P<time>\d{8}T\d{6}Z)\.json\.gz",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Origin:
    """What all files of one trail have in their names."""

    account: str
    region: str
    trail: str
    prefix: str

    def log_key(self, at: datetime) -> str:
        """Return a new name for a log file."""
        utc = at.astimezone(UTC)
        random = "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM_CHARACTERS))
        name = f"{self.account}_{LOGS}_{self.region}_{utc:%Y%m%dT%H%MZ}_{random}{SUFFIX}"
        return f"{self._folder(LOGS, utc)}/{name}"

    def digest_key(self, end: datetime) -> str:
        """Return the name of the digest that ends at this moment."""
        utc = end.astimezone(UTC)
        name = (
            f"{self.account}_{DIGESTS}_{self.region}_{self.trail}_{self.region}"
            f"_{utc:%Y%m%dT%H%M%SZ}{SUFFIX}"
        )
        return f"{self._folder(DIGESTS, utc)}/{name}"

    def _folder(self, kind: str, utc: datetime) -> str:
        start = f"{self.prefix}/" if self.prefix else ""
        return f"{start}AWSLogs/{self.account}/{kind}/{self.region}/{utc:%Y/%m/%d}"


@dataclass(frozen=True, slots=True)
class FoundName:
    """What a file's name says of it. `trail` is empty for a log file."""

    account: str
    region: str
    trail: str
    at: datetime


def read_log_name(key: str) -> FoundName | None:
    """Return what a log file's name says, or None if it is not the name of one."""
    found = _LOG_NAME.fullmatch(key)
    if found is None:
        return None
    at = _moment(found["time"], "%Y%m%dT%H%MZ")
    return None if at is None else FoundName(found["account"], found["region"], "", at)


def read_digest_name(key: str) -> FoundName | None:
    """Return what a digest's name says, or None if it is not the name of one."""
    found = _DIGEST_NAME.fullmatch(key)
    if found is None:
        return None
    at = _moment(found["time"], "%Y%m%dT%H%M%SZ")
    return None if at is None else FoundName(found["account"], found["region"], found["trail"], at)


def _moment(text: str, form: str) -> datetime | None:
    try:
        return datetime.strptime(text, form).replace(tzinfo=UTC)
    except ValueError:
        return None
