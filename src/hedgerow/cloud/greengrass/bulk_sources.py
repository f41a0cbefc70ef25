"""Where the input file of a bulk deployment is read from: a folder, or an S3-compatible store."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from hedgerow.cloud.greengrass.bulk_buckets import InputBuckets, InputObject
from hedgerow.cloud.greengrass.bulk_s3 import S3Buckets, S3Endpoint
from hedgerow.kernel import Clock


@dataclass(frozen=True, slots=True)
class InputStores:
    """Where the input files of all accounts are."""

    folder: Path
    """One folder for each account, in it one for each bucket."""
    endpoint: S3Endpoint | None = None

    @classmethod
    def open(cls, folder: Path, s3_file: Path) -> Self:
        """Read what the operator says of a store; `ConfigurationError` if it is wrong."""
        return cls(folder, S3Endpoint.read(s3_file))

    def sources_of(self, account: str, clock: Clock) -> "InputSources":
        """Return the buckets of one account."""
        folder = InputBuckets(self.folder, account)
        if self.endpoint is None:
            return InputSources(folder)
        return InputSources(folder, S3Buckets(self.endpoint, account, clock))


@dataclass(frozen=True, slots=True)
class InputSources:
    """The buckets of one account: those the operator has in a store, all others in its folder."""

    folder: InputBuckets
    s3: S3Buckets | None = None

    async def read(self, wanted: InputObject) -> bytes:
        """Return a file, which may be as large as inputs may be.

        Raises `NoInputFileError` if there is none, `BadRequestException` if it is too large,
        `DeniedError` if the store refuses, `UnavailableError` if trying again can help.
        """
        if self.s3 is not None and self.s3.has(wanted.bucket):
            return await self.s3.read(wanted)
        return await asyncio.to_thread(self.folder.read, wanted)
