"""Input files from an S3-compatible store, over TLS, from a store that checks every signature."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from tests.support.s3 import S3Store, s3_store

from hedgerow.aws import AwsError
from hedgerow.cloud.greengrass.bulk_buckets import InputObject, NoInputFileError
from hedgerow.cloud.greengrass.bulk_input import MAX_INPUT_BYTES
from hedgerow.cloud.greengrass.bulk_sources import InputSources, InputStores
from hedgerow.kernel import ConfigurationError, DeniedError, SystemClock, UnavailableError

ACCOUNT, OTHER = "123456789012", "999999999999"
BUCKET, FOREIGN = "plant-rollouts", "bucket-of-others"
WANTED = InputObject.of(f"s3://{BUCKET}/week 48/all+some.json")
ON_THE_WIRE = f"/{BUCKET}/week%2048/all%2Bsome.json"


@pytest.fixture
async def store() -> AsyncIterator[S3Store]:
    async with s3_store() as made:
        made.objects[ON_THE_WIRE] = b"lines"
        yield made


@pytest.fixture
def sources(store: S3Store, tmp_path: Path) -> InputSources:
    file = store.write_file(tmp_path / "s3.json", {BUCKET: ACCOUNT, FOREIGN: OTHER})
    return InputStores.open(tmp_path / "buckets", file).sources_of(ACCOUNT, SystemClock())


async def test_an_object_is_fetched_with_a_signed_request(
    store: S3Store, sources: InputSources
) -> None:
    """The key's characters are encoded once, and the store's own check of the signature passes."""
    assert await sources.read(WANTED) == b"lines"
    assert store.asked == [ON_THE_WIRE]


async def test_what_is_not_there_is_the_callers_error(sources: InputSources) -> None:
    with pytest.raises(NoInputFileError, match="does not exist"):
        await sources.read(InputObject.of(f"s3://{BUCKET}/other"))


async def test_a_wrong_key_is_told_to_the_operator(store: S3Store, tmp_path: Path) -> None:
    """The store's reason is passed on, the secret is not."""
    file = store.write_file(tmp_path / "s3.json", {BUCKET: ACCOUNT}, secretAccessKey="wrong-one")
    sources = InputStores.open(tmp_path, file).sources_of(ACCOUNT, SystemClock())
    with pytest.raises(DeniedError, match="403 SignatureDoesNotMatch") as caught:
        await sources.read(WANTED)
    assert "wrong-one" not in str(caught.value)


async def test_other_buckets_are_folders_still(
    store: S3Store, sources: InputSources, tmp_path: Path
) -> None:
    """A bucket that the operator's file does not name is read where it always was."""
    file = tmp_path / "buckets" / ACCOUNT / "my-bucket" / "key"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"from the folder")
    assert await sources.read(InputObject.of("s3://my-bucket/key")) == b"from the folder"
    assert not store.asked


@pytest.mark.parametrize("status", [301, 302, 307])
async def test_a_redirect_is_not_followed(
    store: S3Store, sources: InputSources, status: int
) -> None:
    """Whatever the store says, nobody else is asked, and nobody else sees the signature."""

    async def elsewhere(_request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=status, headers={"Location": f"{store.base}/elsewhere"})

    store.instead = elsewhere
    with pytest.raises(AwsError, match=f"answered {status}"):
        await sources.read(WANTED)
    assert store.asked == [ON_THE_WIRE]


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_store_in_trouble_is_asked_again_later(
    store: S3Store, sources: InputSources, status: int
) -> None:
    async def trouble(_request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=status)

    store.instead = trouble
    with pytest.raises(UnavailableError, match=str(status)):
        await sources.read(WANTED)


@pytest.mark.parametrize("told", [True, False])
async def test_more_than_an_input_may_be_is_not_taken_in(
    store: S3Store, sources: InputSources, *, told: bool
) -> None:
    """Told by its length before a byte is read, or found out on the way."""
    sent = 0

    async def endless(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        if told:
            response.content_length = MAX_INPUT_BYTES
        await response.prepare(request)
        chunk = bytes(1024 * 1024)
        while True:
            await response.write(chunk)
            sent += len(chunk)

    store.instead = endless
    with pytest.raises(AwsError, match="must be smaller than 100 MB"):
        await sources.read(WANTED)
    assert (sent < MAX_INPUT_BYTES) == told


async def test_a_compressed_object_is_not_unpacked(store: S3Store, sources: InputSources) -> None:
    """A few bytes cannot become gigabytes, whatever an object says it is packed with."""

    async def packed(_request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=b"\x1f\x8b as it is", headers={"Content-Encoding": "gzip"})

    store.instead = packed
    assert await sources.read(WANTED) == b"\x1f\x8b as it is"


async def test_a_store_that_is_not_who_it_should_be_is_told_nothing(
    store: S3Store, tmp_path: Path
) -> None:
    """Without its authority's certificate the request does not leave."""
    file = store.write_file(tmp_path / "s3.json", {BUCKET: ACCOUNT}, caFile="")
    sources = InputStores.open(tmp_path, file).sources_of(ACCOUNT, SystemClock())
    with pytest.raises(UnavailableError, match="CERTIFICATE_VERIFY_FAILED"):
        await sources.read(WANTED)
    assert not store.asked


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"endpoint": "http://store.example:9000"}, "plain http is for a store on this machine"),
        ({"endpoint": "https://user:word@store.example"}, "not of the form"),
        ({"endpoint": "https://store.example/path"}, "not of the form"),
        ({"endpoint": "https://store.example?x=y"}, "not of the form"),
        ({"endpoint": "file:///etc/passwd"}, "not of the form"),
        ({"endpoint": "https://store.example:port"}, "not of the form"),
        ({"buckets": {"No_Bucket": ACCOUNT}}, "bucket name"),
        ({"buckets": {BUCKET: "me"}}, "12 digits"),
        ({"caFile": "/nowhere/ca.pem"}, "caFile"),
        ({"region": 7}, "region"),
        ({"secret": "typo"}, "unknown field"),
    ],
)
async def test_a_wrong_file_is_refused_at_start_with_the_place(
    store: S3Store, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    file = store.write_file(tmp_path / "s3.json", {BUCKET: ACCOUNT}, **changes)
    with pytest.raises(ConfigurationError, match=said) as caught:
        InputStores.open(tmp_path, file)
    assert str(file) in str(caught.value)


async def test_plain_http_is_for_this_machine(store: S3Store, tmp_path: Path) -> None:
    for endpoint in ("http://127.0.0.1:9000", "http://[::1]:9000"):
        file = store.write_file(tmp_path / "s3.json", {}, endpoint=endpoint)
        assert InputStores.open(tmp_path, file).endpoint is not None
