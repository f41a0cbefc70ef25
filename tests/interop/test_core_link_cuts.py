"""The link to the cloud breaks again and again under load; the queue makes it whole."""

import os
from pathlib import Path

import pytest
from tests.support.link_cuts import run_cuts, run_cuts_from_cloud

CUTS = int(os.environ.get("HEDGEROW_LINK_CUTS", "4"))
"""`python -m bench.link_cuts` does a hundred."""


@pytest.mark.timeout(600)
@pytest.mark.spec("H01", "H08")
@pytest.mark.parametrize("window", [1, 20])
async def test_the_cloud_gets_every_message_in_order_per_topic_though_the_link_is_cut(
    tmp_path: Path, window: int
) -> None:
    report = await run_cuts(
        tmp_path, cuts=CUTS if window > 1 else CUTS // 2, seed=window, window=window
    )
    assert (report.lost, report.invented, report.out_of_order) == (0, 0, 0), report
    assert report.problem is None, "and no conflict of client ids is imagined"
    assert report.sent > 100
    assert report.duplicates <= report.cuts * window, "no more than was in flight at each cut"


@pytest.mark.timeout(600)
@pytest.mark.spec("H09", "H11")
async def test_the_core_gets_every_message_of_a_persistent_session_though_the_link_is_cut(
    tmp_path: Path,
) -> None:
    report = await run_cuts_from_cloud(tmp_path, cuts=CUTS, seed=3)
    assert (report.lost, report.invented, report.out_of_order) == (0, 0, 0), report
    assert report.sent > 100
