"""What a core needs to synchronise shadows of clients, and no more."""

import pytest

from hedgerow.kernel import CallerError
from hedgerow.policy import (
    DOCUMENT_LIMIT,
    AccessRequest,
    NamedPolicy,
    core_shadow_policies,
    decide,
    document_size,
    parse_policy,
)

IOT = "arn:aws:iot:us-east-1:123456789012:"
TOPIC = "$aws/things/{}/shadow"


def policies(*things: str, named: bool = False) -> tuple[str, ...]:
    return core_shadow_policies(
        region="us-east-1", account="123456789012", thing_names=things, named=named
    )


def allowed(texts: tuple[str, ...], action: str, resource: str) -> bool:
    named = [NamedPolicy(str(n), parse_policy(text)) for n, text in enumerate(texts)]
    return decide(named, AccessRequest(action, IOT + resource, {})).allowed


def test_it_names_the_things_and_no_other() -> None:
    texts = policies("lamp", "door")
    assert len(texts) == 1
    for name, yes in (("lamp", True), ("door", True), ("lamp2", False), ("gate", False)):
        topic = TOPIC.format(name)
        for action, resource in (
            ("iot:GetThingShadow", f"thing/{name}"),
            ("iot:UpdateThingShadow", f"thing/{name}"),
            ("iot:DeleteThingShadow", f"thing/{name}"),
            ("iot:Subscribe", f"topicfilter/{topic}/+/accepted"),
            ("iot:Receive", f"topic/{topic}/update/accepted"),
            ("iot:Receive", f"topic/{topic}/delete/accepted"),
        ):
            assert allowed(texts, action, resource) is yes, (action, resource)
        for action, resource in (
            ("iot:Publish", f"topic/{topic}/update"),
            ("iot:Receive", f"topic/{topic}/get/accepted"),
            ("iot:Subscribe", f"topicfilter/{topic}/#"),
            ("iot:Connect", f"client/{name}"),
        ):
            assert not allowed(texts, action, resource), (action, resource)


def test_named_shadows_are_in_it_only_if_they_are_asked_for() -> None:
    topic = f"{TOPIC.format('lamp')}/name"
    for named in (False, True):
        texts = policies("lamp", named=named)
        for action, resource in (
            ("iot:GetThingShadow", "thing/lamp/config"),
            ("iot:UpdateThingShadow", "thing/lamp/config"),
            ("iot:DeleteThingShadow", "thing/lamp/config"),
            ("iot:Subscribe", f"topicfilter/{topic}/+/+/accepted"),
            ("iot:Receive", f"topic/{topic}/config/update/accepted"),
            ("iot:Receive", f"topic/{topic}/config/delete/accepted"),
        ):
            assert allowed(texts, action, resource) is named, (action, resource)
        assert allowed(texts, "iot:UpdateThingShadow", "thing/lamp")
        for resource in ("thing/lamp2", "thing/lamp2/config", "thing/door/config"):
            assert not allowed(texts, "iot:UpdateThingShadow", resource)
        assert ("iot:ListNamedShadowsForThing" in texts[0]) is named


def test_many_things_are_spread_over_policies_within_their_size() -> None:
    names = [f"{n:03d}-{'x' * 60}" for n in range(20)]
    texts = policies(*names)
    assert len(texts) > 1
    assert all(document_size(text) <= DOCUMENT_LIMIT for text in texts)
    for name in names:
        assert allowed(texts, "iot:UpdateThingShadow", f"thing/{name}")


@pytest.mark.parametrize("name", ["", "*", "a*", "${iot:ClientId}", "a/b", "+"])
def test_a_name_that_means_more_than_itself_is_refused(name: str) -> None:
    with pytest.raises(CallerError, match="cannot stand in a policy"):
        policies("lamp", name)


def test_no_shadow_makes_no_policy() -> None:
    with pytest.raises(CallerError, match="no shadow"):
        policies()
