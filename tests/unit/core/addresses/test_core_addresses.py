import asyncio
import ipaddress
import struct
from datetime import timedelta

import pytest
import structlog
from tests.support.clock import ManualClock
from tests.support.core import until

from hedgerow.contract import MAX_ADDRESSES, ConnectivityEntry, ConnectivityInfo, FunctionMember
from hedgerow.core.addresses import (
    AddressDetector,
    connectivity_of,
    local_addresses,
    parse_address_dump,
    wants_detection,
)
from hedgerow.core.addresses.netlink import IpAddress
from hedgerow.core.addresses.settling import HOLD_SECONDS
from hedgerow.kernel import Clock, DeniedError, SystemClock

HOME = ipaddress.ip_address("192.168.1.8")
LOOPBACK = ipaddress.ip_address("127.0.0.1")


class Cloud:
    """Takes what is published, or refuses it; and the server that has to be ready before."""

    def __init__(self) -> None:
        self.taken: asyncio.Queue[ConnectivityInfo] = asyncio.Queue()
        self.refusal: DeniedError | None = None
        self.served: list[str] = []
        self.order: list[str] = []

    async def serve_for(self, announced: tuple[ConnectivityEntry, ...]) -> None:
        self.served = [entry.host_address for entry in announced]
        self.order.append("served")

    def published(self) -> None:
        self.order.append("published")

    async def update_connectivity(self, info: ConnectivityInfo) -> None:
        if self.refusal is not None:
            raise self.refusal
        assert self.served == [entry.host_address for entry in info.connectivity_info]
        self.order.append("cloud")
        await self.taken.put(info)


class Host:
    """A host whose addresses the test changes."""

    def __init__(self, *addresses: IpAddress) -> None:
        self.addresses = addresses

    def __call__(self) -> tuple[IpAddress, ...]:
        return self.addresses


def detecting(cloud: Cloud, host: Host, clock: Clock | None = None) -> AddressDetector:
    """Return a detector that does not pause."""
    return AddressDetector(
        cloud,
        structlog.get_logger(),
        server=cloud,
        clock=clock or SystemClock(),
        addresses=host,
        pause_seconds=0,
    )


@pytest.mark.spec("E07")
def test_detected_entries_have_the_documented_ids() -> None:
    info = connectivity_of([LOOPBACK, HOME], 9000)
    assert [(e.id, e.host_address, e.port_number) for e in info.connectivity_info] == [
        ("AUTOIP_127.0.0.1_0", "127.0.0.1", 9000),
        ("AUTOIP_192.168.1.8_1", "192.168.1.8", 9000),
    ]


@pytest.mark.spec("E09")
def test_detection_is_on_only_for_a_group_with_the_system_function() -> None:
    detector = FunctionMember(
        id="ip", function_arn="arn:aws:lambda:::function:GGIPDetector:1", configuration={}
    )
    other = FunctionMember(
        id="x", function_arn="arn:aws:lambda:us-east-1:1:function:GGIPDetector:1"
    )
    assert wants_detection([other, detector])
    assert not wants_detection([other])


@pytest.mark.spec("E09", "Y03")
async def test_the_list_is_published_when_it_changes_and_only_then() -> None:
    cloud, host = Cloud(), Host(LOOPBACK)
    detector = detecting(cloud, host)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(detector.run())
        detector.switch_on(8883)
        first = await cloud.taken.get()
        assert [e.host_address for e in first.connectivity_info] == ["127.0.0.1"]
        detector.look_again()
        await until(lambda: not detector._look.is_set())
        assert cloud.taken.empty()
        host.addresses = (LOOPBACK, HOME)
        detector.look_again()
        second = await cloud.taken.get()
        assert [e.host_address for e in second.connectivity_info] == ["192.168.1.8", "127.0.0.1"]
        running.cancel()
    assert cloud.order == ["served", "cloud", "published"] * 2


@pytest.mark.spec("E09", "Y03")
async def test_an_address_that_flaps_is_neither_withdrawn_nor_published_again() -> None:
    """It counts until it has been gone for a while; then the list without it is published."""
    cloud, host, clock = Cloud(), Host(LOOPBACK, HOME), ManualClock()
    detector = detecting(cloud, host, clock)
    detector.switch_on(8883)
    assert await detector.publish(8883)
    for _ in range(20):
        clock.advance(timedelta(seconds=HOLD_SECONDS - 1))
        host.addresses = (LOOPBACK,)
        assert not await detector.publish(8883)
        clock.advance(timedelta(seconds=HOLD_SECONDS - 1))
        host.addresses = (LOOPBACK, HOME)
        assert not await detector.publish(8883)
    host.addresses = (LOOPBACK,)
    clock.advance(timedelta(seconds=HOLD_SECONDS))
    assert await detector.publish(8883)
    lists = [await cloud.taken.get() for _ in range(2)]
    assert [[e.host_address for e in each.connectivity_info] for each in lists] == [
        ["192.168.1.8", "127.0.0.1"],
        ["127.0.0.1"],
    ]


async def test_of_more_addresses_than_a_core_may_have_the_first_are_published() -> None:
    """Those that lead a device back to itself are left out first."""
    many = [ipaddress.ip_address(f"10.0.0.{n}") for n in range(1, MAX_ADDRESSES + 1)]
    cloud = Cloud()
    detector = detecting(cloud, Host(LOOPBACK, *reversed(many)))
    assert await detector.publish(8883)
    published = (await cloud.taken.get()).connectivity_info
    assert [entry.host_address for entry in published] == [str(each) for each in many]


@pytest.mark.spec("E10")
async def test_with_detection_off_nothing_is_published() -> None:
    cloud, host = Cloud(), Host(LOOPBACK)
    detector = detecting(cloud, host)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(detector.run())
        detector.look_again()
        await until(lambda: not detector._look.is_set())
        assert cloud.taken.empty()
        assert not detector.is_on
        running.cancel()


async def test_a_refusal_is_told_in_the_clouds_words_and_tried_again() -> None:
    cloud, host = Cloud(), Host(LOOPBACK)
    cloud.refusal = DeniedError("no policy allows greengrass:UpdateConnectivityInfo on …")
    detector = detecting(cloud, host)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(detector.run())
        detector.switch_on(8883)
        await until(lambda: detector.problem is not None)
        assert "greengrass:UpdateConnectivityInfo" in (detector.problem or "")
        cloud.refusal = None
        detector.look_again()
        await cloud.taken.get()
        running.cancel()
    assert detector.problem is None


def test_this_hosts_own_addresses_are_found() -> None:
    assert LOOPBACK in local_addresses()


def _message(
    family: int, attributes: list[tuple[int, bytes]], kind: int = 20, flags: int = 0
) -> bytes:
    body = struct.pack("=BBBBI", family, 24, flags, 0, 2)
    for number, value in attributes:
        padded = value + b"\0" * (-len(value) % 4)
        body += struct.pack("=HH", 4 + len(value), number) + padded
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 1, 0) + body


def test_of_a_point_to_point_link_the_hosts_own_end_is_taken() -> None:
    peer, own = ipaddress.ip_address("10.0.0.1").packed, ipaddress.ip_address("10.0.0.2").packed
    addresses, done = parse_address_dump(_message(2, [(1, peer), (2, own), (3, b"tun0\0")]))
    assert addresses == [ipaddress.ip_address("10.0.0.2")]
    assert not done


@pytest.mark.parametrize("cut", range(60))
def test_a_cut_or_malformed_dump_is_read_as_far_as_it_goes(cut: int) -> None:
    whole = _message(10, [(1, ipaddress.ip_address("fd00::2").packed)]) + _message(2, [], kind=3)
    addresses, done = parse_address_dump(whole[:cut])
    assert not done
    assert addresses in ([], [ipaddress.ip_address("fd00::2")])


def test_a_message_of_length_zero_does_not_loop() -> None:
    assert parse_address_dump(struct.pack("=IHHII", 0, 20, 0, 1, 0) * 3) == ([], False)


@pytest.mark.parametrize("flag", [0x01, 0x04, 0x08, 0x20, 0x40])
@pytest.mark.parametrize("wide", [True, False])
def test_addresses_of_ipv6_that_do_not_last_are_left_out(flag: int, *, wide: bool) -> None:
    """Temporary, optimistic, duplicate, deprecated or tentative; with the wide flags or without."""
    address = ipaddress.ip_address("2001:db8::8")
    attributes = [(1, address.packed), *([(8, struct.pack("=I", flag))] if wide else [])]
    bad = _message(10, attributes, flags=0 if wide else flag)
    assert parse_address_dump(bad) == ([], False)
    lasting = [(1, address.packed), (8, struct.pack("=I", 0x80))]
    assert parse_address_dump(_message(10, lasting)) == ([address], False)


def test_a_second_address_of_ipv4_counts() -> None:
    """What is the mark of a temporary address in IPv6 is another one's in IPv4."""
    assert parse_address_dump(_message(2, [(1, HOME.packed), (2, HOME.packed)], flags=0x01)) == (
        [HOME],
        False,
    )
