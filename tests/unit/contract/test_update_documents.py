"""Versions and paths of software updates."""

import pytest
from tests.support.updates import FACTS, replace_facts

from hedgerow.contract.updates import require_version, target_path, version_order
from hedgerow.kernel import PeerError


def test_versions_are_ordered_by_their_numbers() -> None:
    versions = ["1.10.0", "1.9.4", "1.9", "1.9.4.1", "2.0"]
    assert sorted(versions, key=version_order) == ["1.9", "1.9.4", "1.9.4.1", "1.10.0", "2.0"]


@pytest.mark.parametrize(
    "version",
    ["", "1", "1.", "01.2", "1.2.3.4.5", "1.2-rc1", "../1.2", "1.2\n", "1.٢", "1.9999999"],
)
def test_what_is_no_version_is_not_a_folders_name(version: str) -> None:
    with pytest.raises(PeerError, match="is not a version"):
        require_version(version)


def test_packages_are_for_the_documented_pairs() -> None:
    assert target_path(FACTS) == "core/1.1.0/ubuntu-x86_64.tar.gz"
    with pytest.raises(PeerError, match="no packages for 'ubuntu/armv7l'"):
        target_path(replace_facts("1.1.0", "core", "armv7l"))
