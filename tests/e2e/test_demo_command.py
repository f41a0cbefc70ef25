"""`hedgerow demo` observes everything that it expects, with the SDKs that people already have."""

import json
import subprocess
import sys
from typing import Any

import pytest

pytestmark = [pytest.mark.timeout(180), pytest.mark.xdist_group("demo")]


@pytest.fixture(scope="module")
def observations() -> dict[str, dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "hedgerow.cli", "demo", "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {seen["title"]: seen for seen in json.loads(done.stdout)}


@pytest.mark.spec("A19")
def test_every_line_was_observed(observations: dict[str, dict[str, Any]]) -> None:
    assert len(observations) == 15
    assert all(seen["ok"] for seen in observations.values())


@pytest.mark.spec("A03")
@pytest.mark.promise(2)
def test_both_sdks_find_the_core_and_connect_with_the_certificate_of_discovery(
    observations: dict[str, dict[str, Any]],
) -> None:
    assert observations["Discovery"]["ok"]


@pytest.mark.spec("F01")
@pytest.mark.promise(3)
def test_messages_go_where_the_table_says_and_nowhere_else(
    observations: dict[str, dict[str, Any]],
) -> None:
    for title in ("Row A to B", "Row A to cloud", "No row A to C"):
        assert observations[title]["ok"]


@pytest.mark.spec("B08")
@pytest.mark.promise(1)
def test_strangers_end_at_tls(observations: dict[str, dict[str, Any]]) -> None:
    for title in (
        "Certificate of another CA",
        "Self-signed certificate",
        "No certificate",
        "The same, expired",
    ):
        assert observations[title]["observed"].startswith("TLS alert")


@pytest.mark.promise(5)
def test_rotation_drops_no_one(observations: dict[str, dict[str, Any]]) -> None:
    assert "dropped: none" in observations["Server certificate rotated"]["observed"]


@pytest.mark.promise(10)
def test_local_messages_go_on_without_the_cloud_and_queued_ones_arrive(
    observations: dict[str, dict[str, Any]],
) -> None:
    assert observations["Cloud stopped"]["ok"]
    assert "version 5, count 5" in observations["Cloud back"]["observed"]
