"""What the operator's store is protected from: other accounts, other eyes."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.s3 import SECRET, S3Store, s3_store

from hedgerow.cloud.greengrass.bulk_buckets import InputObject, NoInputFileError
from hedgerow.cloud.greengrass.bulk_sources import InputStores
from hedgerow.kernel import ConfigurationError, SystemClock

ACCOUNT, OTHER = "123456789012", "999999999999"
BUCKET = "plant-rollouts"


@pytest.fixture
async def store() -> AsyncIterator[S3Store]:
    async with s3_store() as made:
        made.objects[f"/{BUCKET}/key"] = b"lines"
        yield made


@pytest.mark.promise(1)
async def test_a_bucket_is_read_for_its_own_account_only(store: S3Store, tmp_path: Path) -> None:
    """An account gives its own roles whatever it likes; the store is not asked on their word."""
    stores = InputStores.open(tmp_path, store.write_file(tmp_path / "s3.json", {BUCKET: ACCOUNT}))
    wanted = InputObject.of(f"s3://{BUCKET}/key")
    with pytest.raises(NoInputFileError):
        await stores.sources_of(OTHER, SystemClock()).read(wanted)
    assert not store.asked
    assert await stores.sources_of(ACCOUNT, SystemClock()).read(wanted) == b"lines"


@pytest.mark.promise(6)
async def test_a_key_that_others_can_read_keeps_the_cloud_from_starting(
    store: S3Store, tmp_path: Path
) -> None:
    file = store.write_file(tmp_path / "s3.json", {BUCKET: ACCOUNT})
    file.chmod(0o640)
    with pytest.raises(ConfigurationError, match="chmod"):
        InputStores.open(tmp_path, file)


@pytest.mark.promise(9)
async def test_the_secret_is_neither_shown_nor_quoted(store: S3Store, tmp_path: Path) -> None:
    file = store.write_file(tmp_path / "s3.json", {BUCKET: ACCOUNT})
    stores = InputStores.open(tmp_path, file)
    assert SECRET not in repr(stores)
    file.write_bytes(file.read_bytes().replace(b'"region": "plant-1"', b'"region": 1'))
    with pytest.raises(ConfigurationError) as caught:
        InputStores.open(tmp_path, file)
    assert SECRET not in str(caught.value)
