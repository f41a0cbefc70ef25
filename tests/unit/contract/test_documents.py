"""Documents survive the wire, print the same every time, and errors name the field."""

import pytest

from hedgerow.contract import (
    CoreMember,
    DeviceMember,
    GroupDeployment,
    SubscriptionRow,
    decode,
    encode,
    with_shared_names,
)
from hedgerow.kernel import PeerError

DEPLOYMENT = GroupDeployment(
    deployment_id="d",
    group_id="g",
    group_version_id="v",
    account="123456789012",
    region="us-east-1",
    core=CoreMember(id="1", thing_arn="arn:core", thing_name="core", certificate_id="0" * 64),
    devices=(DeviceMember(id="2", thing_arn="arn:a", thing_name="a"),),
    subscriptions=(SubscriptionRow(id="3", source="arn:a", subject="a/#", target="cloud"),),
)


def test_a_document_survives_the_wire() -> None:
    assert decode(encode(DEPLOYMENT), GroupDeployment) == DEPLOYMENT


def test_the_wire_form_is_canonical_and_named_as_aws_names_it() -> None:
    data = encode(DEPLOYMENT)
    assert data == encode(decode(data, GroupDeployment))
    assert b'"ThingArn":"arn:core"' in data
    assert b'"Subject":"a/#"' in data


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"{", "GroupDeployment"),
        (b"\xff", "GroupDeployment"),
        (encode(DEPLOYMENT).replace(b'"GroupId":"g",', b""), "GroupId"),
        (encode(DEPLOYMENT).replace(b'"Subject":"a/#"', b'"Subject":7'), r"\$.Subscriptions"),
    ],
)
def test_a_bad_document_is_refused_with_the_place(data: bytes, named: str) -> None:
    with pytest.raises(PeerError, match=named):
        decode(data, GroupDeployment)


def test_fields_of_a_newer_cloud_are_ignored() -> None:
    newer = encode(DEPLOYMENT).replace(b'"GroupId":"g"', b'"GroupId":"g","Newer":1')
    assert decode(newer, GroupDeployment) == DEPLOYMENT


def test_names_that_occur_often_are_kept_once() -> None:
    """The document stays equal; a row's source is the device's own ARN then."""
    read = decode(encode(DEPLOYMENT), GroupDeployment)
    shared = with_shared_names(read)
    assert shared == read
    assert shared.subscriptions[0].source is shared.devices[0].thing_arn
