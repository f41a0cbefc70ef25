"""ARNs that move keep what they are, and estates keep their content through every form."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from hedgerow.estate import (
    Certificate,
    Definition,
    Estate,
    Group,
    Origin,
    Policy,
    Source,
    Thing,
)
from hedgerow.estate.own_files import OwnFiles
from hedgerow.estate.own_json import OwnJson
from hedgerow.estate.readers import READERS
from hedgerow.estate.relocation import mover, relocated
from hedgerow.estate.wire import packed, unpacked

OLD = Origin(account="111122223333", region="us-west-2")
NEW = Origin(account="444455556666", region="eu-west-1")

PIECES = st.sampled_from(
    [
        "arn",
        ":",
        "%3A",
        "aws",
        "iot",
        "greengrass",
        "*",
        "us-west-2",
        "111122223333",
        "thing/a",
        "/",
        "${iot:ClientId}",
        "topic/",
        "999999999999",
        "x",
        "",
    ]
)
TEXTS = st.lists(PIECES, max_size=14).map("".join)
NAMES = st.from_regex(r"[a-zA-Z0-9:_-]{1,20}", fullmatch=True)
IDS = st.integers(0, 9).map(lambda number: f"{number}" * 64)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20) | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
ESTATES = st.builds(
    Estate,
    origin=st.just(OLD),
    things=st.lists(st.builds(Thing, name=NAMES), max_size=4).map(tuple),
    certificates=st.lists(
        st.builds(Certificate, id=IDS, pem=st.text(max_size=30)),
        max_size=3,
        unique_by=lambda one: one.id,
    ).map(tuple),
    policies=st.lists(st.builds(Policy, name=NAMES, document=TEXTS), max_size=3).map(tuple),
    groups=st.lists(
        st.builds(
            Group,
            id=NAMES,
            name=st.text(max_size=20),
            definitions=st.lists(
                st.builds(
                    Definition,
                    kind=st.sampled_from(["Core", "Device", "Subscription"]),
                    content=st.dictionaries(st.text(max_size=8), JSON, max_size=3),
                ),
                max_size=2,
                unique_by=lambda one: one.kind,
            ).map(tuple),
        ),
        max_size=2,
    ).map(tuple),
)


@given(TEXTS)
def test_what_moves_out_names_the_old_account_in_no_arn_and_moves_back_the_same(text: str) -> None:
    moved = mover(OLD, NEW)(text)
    assert mover(OLD, NEW)(moved) == moved
    if moved != text:
        assert mover(NEW, OLD)(moved) == text
    # Moving never makes a pattern wider.
    assert moved.count("*") == text.count("*")


@given(ESTATES)
def test_an_estate_is_the_same_after_every_way_that_it_travels(estate: Estate) -> None:
    assert unpacked(packed(estate)) == estate.in_order()
    for form in (OwnJson(), OwnFiles()):
        assert form.read(Source(files=form.write(estate))).estate == estate.in_order()
    assert relocated(estate, OLD) == estate


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "estate.json",
                "config/config.json",
                "ggc/deployment/group/group.json",
                "a.json",
                "list-attached-policies/x.json",
                "b.pem",
            ]
        ),
        JSON.map(repr).map(str.encode)
        | st.dictionaries(
            st.sampled_from(
                [
                    "Arn",
                    "Id",
                    "Name",
                    "Definition",
                    "Cores",
                    "Devices",
                    "GroupDefinitions",
                    "coreThing",
                    "crypto",
                    "policies",
                    "principals",
                    "things",
                    "thingName",
                    "attributes",
                    "certificateDescription",
                    "ConnectivityInfo",
                    "origin",
                    "Version",
                ]
            ),
            JSON,
            max_size=6,
        ).map(msgspec.json.encode),
        max_size=6,
    )
)
def test_no_files_make_a_reader_raise(files: dict[str, bytes]) -> None:
    source = Source(files=files)
    for reader in READERS:
        reader.recognises(source)
        reading = reader.read(source)
        assert reading.estate is not None or reading.findings
