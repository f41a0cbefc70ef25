import pytest

from hedgerow.contract import CLOUD, SHADOW_SERVICE, CoreMember, GroupDeployment, SubscriptionRow
from hedgerow.core.switchboard import Switchboard, covering, covers, explain, overlap
from hedgerow.kernel import CallerError

A = "arn:aws:iot:us-east-1:123456789012:thing/A"
B = "arn:aws:iot:us-east-1:123456789012:thing/B"
C = "arn:aws:iot:us-east-1:123456789012:thing/C"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:f:1"


def row(source: str, subject: str, target: str) -> SubscriptionRow:
    return SubscriptionRow(
        id=f"{source}|{subject}|{target}", source=source, subject=subject, target=target
    )


@pytest.mark.spec("F01", "F02")
def test_a_message_passes_only_along_a_row_and_only_one_way() -> None:
    table = Switchboard.compile([row(A, "t/x", B)])
    assert table.targets(A, "t/x") == {B}
    assert table.targets(A, "t/y") == frozenset()
    assert table.targets(B, "t/x") == frozenset()
    assert table.targets(C, "t/x") == frozenset()
    assert Switchboard().targets(A, "t/x") == frozenset()


def test_sources_and_targets_are_devices_functions_the_cloud_and_the_shadow_service() -> None:
    kinds = (A, B, FUNCTION, CLOUD, SHADOW_SERVICE)
    table = Switchboard.compile(
        row(source, "t", target) for source in kinds for target in kinds if source != target
    )
    for source in kinds:
        assert table.targets(source, "t") == set(kinds) - {source}


@pytest.mark.spec("F04")
@pytest.mark.parametrize(
    ("subject", "topic", "passes"),
    [
        ("s/+/t", "s/1/t", True),
        ("s/+/t", "s/1/2/t", False),
        ("+/t", "s/t", True),
        ("s/#", "s/1/2", True),
        ("s/#", "s", True),
        ("s/#", "st", False),
        ("#", "anything/at/all", True),
        ("#", "$aws/things/A/shadow/get", False),
        ("$aws/things/A/shadow/#", "$aws/things/A/shadow/get", True),
    ],
)
def test_wildcards_of_a_row_match_as_in_mqtt(subject: str, topic: str, passes: bool) -> None:  # noqa: FBT001
    assert (Switchboard.compile([row(A, subject, B)]).targets(A, topic) == {B}) is passes


@pytest.mark.spec("F04")
@pytest.mark.parametrize("subject", ["a/#/b", "a+", "a/b#", "", "#/a"])
def test_a_subject_that_is_no_filter_is_refused_by_row(subject: str) -> None:
    with pytest.raises(CallerError, match=r"subscription .* which is not a topic filter"):
        Switchboard.compile([row(A, subject, B)])


def test_a_refused_publication_says_what_row_is_missing() -> None:
    decision = Switchboard.compile([row(A, "t/x", B)]).may_publish(B, "t/x")
    assert not decision.allowed
    assert B in decision.reason
    assert "t/x" in decision.reason


def test_an_allowed_publication_names_its_rows() -> None:
    table = Switchboard.compile([row(A, "t/+", B), row(A, "t/x", CLOUD), row(A, "u", C)])
    decision = table.may_publish(A, "t/x")
    assert {r.target for r in decision.rows} == {B, CLOUD}


def test_a_subscription_that_no_row_could_serve_is_refused() -> None:
    table = Switchboard.compile([row(A, "sensors/+/heat", B)])
    for topic_filter in ("sensors/1/heat", "sensors/#", "#", "+/+/heat", "sensors/+/+"):
        assert table.may_subscribe(B, topic_filter).allowed, topic_filter
        assert not table.may_subscribe(A, topic_filter).allowed
        assert not table.may_subscribe(C, topic_filter).allowed
    for topic_filter in ("sensors/1/light", "sensors", "+/heat", "$aws/#"):
        assert not table.may_subscribe(B, topic_filter).allowed, topic_filter


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/c", False),
        ("a/+", "+/b", True),
        ("a/+", "a", False),
        ("a/#", "a", True),
        ("a/#", "b/#", False),
        ("#", "$aws/x", False),
        ("+/x", "$aws/x", False),
        ("$aws/#", "$aws/x/y", True),
        ("+", "/", False),
        ("+/+", "/", True),
    ],
)
def test_overlap_is_the_same_both_ways(one: str, other: str, expected: bool) -> None:  # noqa: FBT001
    assert overlap(one, other) is expected
    assert overlap(other, one) is expected


@pytest.mark.parametrize(
    ("wide", "narrow", "expected"),
    [
        ("a/#", "a/b/c", True),
        ("a/#", "a", True),
        ("a/#", "a/+", True),
        ("a/+", "a/#", False),
        ("a/+", "a/b", True),
        ("a/b", "a/+", False),
        ("#", "$aws/x", False),
        ("+/x", "$aws/x", False),
        ("$aws/+", "$aws/x", True),
    ],
)
def test_covering_is_one_way(wide: str, narrow: str, expected: bool) -> None:  # noqa: FBT001
    assert covers(wide, narrow) is expected


def test_only_subjects_with_the_cloud_as_source_are_subscribed_to_there_and_none_twice() -> None:
    table = Switchboard.compile(
        [
            row(CLOUD, "c/#", A),
            row(CLOUD, "c/1", B),
            row(CLOUD, "d", A),
            row(CLOUD, "d", B),
            row(A, "e", CLOUD),
        ]
    )
    assert table.cloud_subjects() == ("c/#", "d")


@pytest.mark.spec("G02", "G05")
def test_ten_thousand_rows_compile_and_answer() -> None:
    rows = [row(A, f"t/{n}/+/x", B) for n in range(5000)]
    rows += [row(CLOUD, f"c/{n}", C) for n in range(5000)]
    table = Switchboard.compile(rows)
    assert table.targets(A, "t/4999/1/x") == {B}
    assert len(table.cloud_subjects()) == 5000
    assert len(covering(f"a/{n}/#" for n in range(5000))) == 5000


def test_a_client_that_asks_again_and_again_costs_one_look_each() -> None:
    table = Switchboard.compile(row(A, f"t/{n}/#", B) for n in range(10_000))
    first = table.may_subscribe(B, "u/+/x")
    assert not first.allowed
    assert table.may_subscribe(B, "u/+/x") is first
    for number in range(10_001):
        table.may_subscribe(C, f"u/{number}")
    assert len(table._judged) < 10_001


def group(*rows: SubscriptionRow) -> GroupDeployment:
    return GroupDeployment(
        deployment_id="d",
        group_id="g",
        group_version_id="v",
        account="123456789012",
        region="us-east-1",
        core=CoreMember(id="c", thing_arn=C, thing_name="C", certificate_id="x"),
        subscriptions=rows,
    )


def test_explain_names_the_row_that_lets_a_message_pass() -> None:
    answer = explain(group(row(A, "t/#", B), row(A, "t/x", CLOUD)), A, "t/x", B)
    assert answer.allowed
    assert [finding.row.subject for finding in answer.rows] == ["t/#"]


def test_explain_names_the_rows_that_fail_by_one_part() -> None:
    answer = explain(group(row(B, "t/x", A), row(A, "t/y", B), row(C, "u", C)), A, "t/x", B)
    assert not answer.allowed
    assert [(f.source_fits, f.subject_fits, f.target_fits) for f in answer.rows] == [
        (True, False, True)
    ]


def test_explain_refuses_a_topic_with_wildcards() -> None:
    assert not explain(group(row(A, "t/#", B)), A, "t/#", B).allowed
