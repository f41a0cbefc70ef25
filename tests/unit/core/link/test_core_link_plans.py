from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.cloud_double import CloudDouble, cloud_double
from tests.support.core import until
from tests.support.core_link import LinkedCore, client_ids

from hedgerow.contract import subscription_client_id
from hedgerow.core.link.plans import ConnectionPlan, Wanted, plan
from hedgerow.core.switchboard import overlap


def shadow(number: int) -> str:
    return f"$aws/things/T{number:03d}/shadow/+/accepted"


def divided(
    wanted: Wanted, standing: tuple[ConnectionPlan, ...] = ()
) -> tuple[ConnectionPlan, ...]:
    return plan(wanted, lambda number: f"c{number}", standing)


def documented(topics: int, shadows: int) -> int:
    """Return 1 + (2 + cloud topics + synchronised shadows) / 50, rounded up."""
    return 1 + -(-(2 + topics + shadows) // 50)


@pytest.mark.spec("H18")
@pytest.mark.parametrize(
    ("topics", "shadows", "connections"),
    [
        (0, 0, 1),
        (1, 0, 2),
        (0, 1, 2),
        (48, 0, 2),
        (20, 28, 2),
        (40, 10, 2),
        (60, 40, 3),
        (0, 101, 4),
    ],
)
async def test_a_core_has_as_few_connections_as_documented(
    tmp_path: Path, topics: int, shadows: int, connections: int
) -> None:
    """One fewer where the two subscriptions of the core itself would need one more."""
    async with cloud_double() as cloud, LinkedCore(cloud, tmp_path).running() as link:
        link.listen_to([f"t/{number}" for number in range(topics)])
        link.listen_to_shadows([shadow(number) for number in range(shadows)])
        numbered = [subscription_client_id("core-1", n) for n in range(connections - 1)]
        await until(lambda: client_ids(cloud) == ["core-1", *numbered])
        await until(lambda: _subscriptions(cloud, numbered) == topics + shadows)
    assert documented(topics, shadows) - 1 <= connections <= documented(topics, shadows)


def _subscriptions(cloud: CloudDouble, numbered: list[str]) -> int:
    return sum(len(cloud.broker.subscriptions_of(client_id)) for client_id in numbered)


topic_filters = st.lists(
    st.sampled_from([f"t/{n}" for n in range(140)] + ["$aws/things/+/shadow/update/accepted"]),
    unique=True,
)
shadow_filters = st.lists(st.sampled_from([shadow(n) for n in range(120)]), unique=True)
wishes = st.builds(
    Wanted,
    subjects=topic_filters.map(tuple),
    persistent=st.booleans(),
    shadows=shadow_filters.map(tuple),
)


@given(st.lists(wishes, min_size=1, max_size=4))
def test_whatever_changes_everything_wanted_is_heard_once_and_in_few_connections(
    history: list[Wanted],
) -> None:
    standing: tuple[ConnectionPlan, ...] = ()
    for wanted in history:
        plans = divided(wanted, standing)
        assert sorted(f for p in plans for f in p.subjects) == sorted(wanted.subjects)
        assert sorted(f for p in plans for f in p.shadows) == sorted(wanted.shadows)
        assert len(plans) == len(divided(wanted))
        for one in plans:
            assert 0 < len(one.filters) <= 50
            assert not any(overlap(a, b) for a in one.subjects for b in one.shadows)
            assert not (one.persistent and one.shadows)
            assert set(one.filters.values()) <= {0, 1}
        standing = plans


def test_what_is_heard_already_stays_where_it_is() -> None:
    first = divided(Wanted(tuple(f"t/{n}" for n in range(90))))
    second = divided(Wanted(tuple(f"t/{n}" for n in range(5, 95))), first)
    for before, after in zip(first, second, strict=True):
        stayed = set(before.subjects) & {f"t/{n}" for n in range(5, 95)}
        assert stayed <= set(after.subjects)
