"""Where input files lie: a bucket is a folder of the account, and a key is a path inside it.

`s3://bucket/key` and S3's `https://` addresses name `<buckets>/<account>/<bucket>/<key>`. Names are
checked before they become a path, and on the way to the file no symbolic link is followed, so that
nothing outside the account's own folder can be read.
"""

import errno
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from hedgerow.aws import AwsError
from hedgerow.cloud.cloudtrail.naming import checked_bucket
from hedgerow.cloud.greengrass.bulk_input import MAX_INPUT_BYTES
from hedgerow.cloud.greengrass.faults import bad_request
from hedgerow.kernel import CallerError, HedgerowError, UnavailableError, quoted

MAX_URI_CHARACTERS = 2048
MAX_KEY_CHARACTERS = 1024
_S3_HOST = re.compile(r"(?:(?P<bucket>.+)\.)?s3[.-](?:[a-z0-9.-]+\.)?amazonaws\.com")
_KEY_PART = re.compile(r"[\w !'()*+,.:;=@$&-]{1,255}", re.ASCII)
_FORMS = "s3://BUCKET/KEY or https://s3.REGION.amazonaws.com/BUCKET/KEY"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW
_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW


_NOT_THERE = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EACCES, errno.ENAMETOOLONG, errno.ENXIO}
)
"""What opening says of a name that leads to no file that may be read; ELOOP is a link."""


class NoInputFileError(CallerError):
    """There is no such file, or none that may be read."""

    code = "404"


@dataclass(frozen=True, slots=True)
class InputObject:
    """A file by its bucket and key, both checked: no part of them leads anywhere else.

    INVARIANT: made by `InputObject.of` only.
    """

    bucket: str
    key: str

    @classmethod
    def of(cls, uri: str) -> "InputObject":
        """Read the URI of an input file, or raise `BadRequestException`."""
        if len(uri) > MAX_URI_CHARACTERS or not uri.isprintable():
            raise _no_such_form(uri)
        try:
            parts = urlsplit(uri)
            port = parts.port
        except ValueError:
            raise _no_such_form(uri) from None
        if parts.query or parts.fragment or parts.username is not None or port is not None:
            raise _no_such_form(uri)
        bucket, key = _named(parts, uri)
        try:
            return cls(bucket=checked_bucket(bucket), key=_checked_key(key))
        except AwsError as error:
            raise bad_request(error.message) from error

    @property
    def arn(self) -> str:
        """What `s3:GetObject` is judged on."""
        return f"arn:aws:s3:::{self.bucket}/{self.key}"

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True, slots=True)
class InputBuckets:
    """The buckets of one account: the folders in `folder / account`."""

    folder: Path
    account: str

    def read(self, wanted: InputObject) -> bytes:
        """Return a file, which may be as large as inputs may be. Blocking.

        Raises `NoInputFileError` if there is none, `BadRequestException` if it is too large.
        """
        *parents, name = wanted.key.split("/")
        try:
            descriptor = os.open(self.folder, _FOLDER & ~os.O_NOFOLLOW)
            for folder in (self.account, wanted.bucket, *parents):
                descriptor = _inside(descriptor, folder, _FOLDER)
            descriptor = _inside(descriptor, name, _FILE)
        except OSError as error:
            raise _unopened(wanted, error) from None
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise _missing(wanted)
            content = b""
            if found.st_size < MAX_INPUT_BYTES:
                with open(descriptor, "rb", closefd=False) as file:
                    # It may grow while it is read: what was read is what counts.
                    content = file.read(MAX_INPUT_BYTES)
        except OSError as error:
            raise _unopened(wanted, error) from None
        finally:
            os.close(descriptor)
        if found.st_size >= MAX_INPUT_BYTES or len(content) >= MAX_INPUT_BYTES:
            raise too_large(wanted)
        return content


def too_large(wanted: InputObject) -> AwsError:
    """Return the caller's error for a file that is larger than inputs may be."""
    return bad_request(
        f"The input file {wanted} is too large: it must be smaller than "
        f"{MAX_INPUT_BYTES // 1024**2} MB."
    )


def missing_object(wanted: InputObject) -> NoInputFileError:
    """Return the caller's error for an object that a store does not have."""
    return NoInputFileError(f"The input file {wanted} does not exist. Put it into the bucket.")


def _inside(folder: int, name: str, flags: int) -> int:
    """Open a name inside an open folder, which is closed in any case."""
    try:
        return os.open(name, flags, dir_fd=folder)
    finally:
        os.close(folder)


def _named(parts: SplitResult, uri: str) -> tuple[str, str]:
    """Return the bucket and the key that a URI names."""
    if parts.scheme == "s3":
        return parts.netloc, parts.path.removeprefix("/")
    host = _S3_HOST.fullmatch((parts.hostname or "").lower())
    if parts.scheme != "https" or host is None:
        raise _no_such_form(uri)
    try:
        path = unquote(parts.path, errors="strict").removeprefix("/")
    except UnicodeDecodeError:
        raise _no_such_form(uri) from None
    if host["bucket"] is not None:
        return host["bucket"], path
    bucket, _, key = path.partition("/")
    return bucket, key


def _checked_key(key: str) -> str:
    parts = key.split("/")
    good = all(_KEY_PART.fullmatch(part) and part not in {".", ".."} for part in parts)
    if not good or len(key) > MAX_KEY_CHARACTERS:
        raise bad_request(
            f"The key {quoted(key)} of the input file is not valid: it is one or more names with "
            "slashes between them, of letters, digits, spaces and !'()*+,-.:;=@$&_, at most "
            f"{MAX_KEY_CHARACTERS} characters."
        )
    return key


def _no_such_form(uri: str) -> AwsError:
    return bad_request(f"InputFileUri {quoted(uri)} is not of the form {_FORMS}.")


def _unopened(wanted: InputObject, error: OSError) -> HedgerowError:
    """Return the caller's error for what is no file of theirs, ours for anything else."""
    if error.errno in _NOT_THERE:
        return _missing(wanted)
    return UnavailableError(f"the input file {wanted} cannot be opened: {error.strerror}")


def _missing(wanted: InputObject) -> NoInputFileError:
    return NoInputFileError(
        f"The input file {wanted} does not exist. Put it into the bucket's folder of this account."
    )
