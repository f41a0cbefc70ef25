"""Estates that are made to take memory or time: refused, or no slower than honest ones."""

import gc
import time
import zlib

import pytest

from hedgerow.estate import Certificate, Definition, Estate, Group, Origin, Thing
from hedgerow.estate.plan import plan
from hedgerow.estate.wire import MAX_ESTATE_BYTES, unpacked
from hedgerow.kernel import CallerError, SystemClock

ORIGIN = Origin(account="123456789012", region="eu-west-1")
IOT = "arn:aws:iot:eu-west-1:123456789012:"
MANY = 2_000


@pytest.mark.promise(1)
@pytest.mark.parametrize("value", [b"[],", b"{},", b"0,", b'{"name":""},'])
def test_a_small_call_does_not_become_gigabytes(value: bytes) -> None:
    """64 KiB on the wire were 1.7 GB of empty lists, and all of the cloud stood still for it."""
    start, end = b'{"origin":{"account":"1","region":"x"},"things":[', b"1]}"
    room = MAX_ESTATE_BYTES - len(start) - len(end)
    body = zlib.compress(start + value * (room // len(value)) + end)
    assert len(body) < 1_000_000
    with pytest.raises(CallerError, match="brackets and commas"):
        unpacked(body)


def estate(holders: list[str], certificate: str) -> Estate:
    """Return things with certificates nobody knows, all of them members and in rows."""
    ids = [f"{number:064x}" for number in range(MANY)]
    held: dict[str, list[str]] = {}
    for holder, identifier in zip(holders, ids, strict=True):
        held.setdefault(holder, []).append(identifier)
    members = [
        {
            "Id": f"{number}",
            "ThingArn": f"{IOT}thing/{holder}",
            "CertificateArn": f"{IOT}cert/{certificate}",
        }
        for number, holder in enumerate(holders)
    ]
    rows = [
        {"Id": f"{number}", "Source": "cloud", "Subject": "a", "Target": f"{IOT}thing/{holder}"}
        for number, holder in enumerate(holders)
    ]
    definitions = (
        Definition(kind="Device", content={"Devices": members}),
        Definition(kind="Subscription", content={"Subscriptions": rows}),
    )
    return Estate(
        origin=ORIGIN,
        things=tuple(Thing(name=name, certificates=tuple(own)) for name, own in held.items()),
        certificates=tuple(Certificate(id=one) for one in ids),
        groups=(Group(id="0" * 8, name="group", definitions=definitions),),
    )


def seconds(wanted: Estate, *, leave_out: bool) -> float:
    """Return how long a plan takes on this machine, the best of three."""
    took = []
    for _ in range(3):
        gc.collect()
        began = time.perf_counter()
        plan(wanted, ORIGIN, Estate(origin=ORIGIN), now=SystemClock().now(), leave_out=leave_out)
        took.append(time.perf_counter() - began)
    return min(took)


@pytest.mark.promise(1)
@pytest.mark.parametrize("leave_out", [False, True])
def test_planning_takes_time_by_size_alone(*, leave_out: bool) -> None:
    """While a plan is made, no other account writes: its time must not grow by the square."""
    each = [f"thing-{number}" for number in range(MANY)]
    honest = seconds(estate(each, "f" * 64), leave_out=False)
    all_of_one = estate(["one"] * MANY, "f" * 64)
    assert seconds(all_of_one, leave_out=leave_out) < 8 * honest
    assert seconds(estate(each, "f" * 64), leave_out=leave_out) < 8 * honest
