"""Condition keys: those that are known are those that are documented."""

import re
from pathlib import Path

import pytest

from hedgerow.cloud.access.keys import (
    OF_CALL,
    OF_PRINCIPAL,
    PASSED_TO_SERVICE,
    PERMISSIONS_BOUNDARY,
    TAG_KEYS,
    by_key,
    resource_tag_values,
    wanted_keys,
)

PAGE = Path(__file__).parents[4] / "docs" / "permissions.md"
KEY = re.compile(r"`((?:aws|iam|sts|greengrass|credentials-iot):[A-Za-z]+(?:/KEY)?)`")


def test_every_known_key_is_on_the_page_and_no_other() -> None:
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:1] == "|"]
    keys_table = rows[rows.index("| key | says |") :]
    documented = {key.lower() for line in keys_table for key in KEY.findall(line.split("|")[1])}
    known = {*OF_CALL, *OF_PRINCIPAL, PASSED_TO_SERVICE, PERMISSIONS_BOUNDARY, TAG_KEYS}
    assert {key for key in documented if not key.endswith("/key")} == known


def test_keys_that_nobody_knows_never_have_a_value() -> None:
    wanted = wanted_keys({"aws:colour", "s3:prefix"})
    assert wanted.nothing_of_call
    assert not wanted.of_principal


@pytest.mark.parametrize("prefix", ["aws", "greengrass"])
def test_resource_tags_go_by_the_words_of_the_service_and_of_all(prefix: str) -> None:
    wanted = wanted_keys({f"{prefix}:resourcetag/env", "iam:resourcetag/env"})
    assert resource_tag_values(wanted, "greengrass", {"Env": "beta", "site": "x"}) == {
        f"{prefix}:resourcetag/env": "beta"
    }


def test_names_that_differ_in_case_keep_all_their_values() -> None:
    assert by_key("t/", [("env", "a"), ("ENV", "b"), ("Env", "a"), ("x", "1")]) == {
        "t/env": ("a", "b", "a"),
        "t/x": "1",
    }
