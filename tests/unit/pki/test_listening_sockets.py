"""One port on every address of a host, whatever of that the machine has."""

import errno
import socket

import pytest

from hedgerow.pki.sockets import listening_sockets

V4 = (socket.AF_INET, ("127.0.0.1", 0))
NOT_OF_THIS_MACHINE = (socket.AF_INET6, ("2001:db8::1", 0, 0, 0))


@pytest.mark.parametrize("addresses", [[V4, NOT_OF_THIS_MACHINE], [NOT_OF_THIS_MACHINE, V4]])
def test_an_address_that_the_machine_lacks_is_passed_over(
    addresses: list[tuple[int, tuple[str, int]]],
) -> None:
    made = listening_sockets(addresses, 0)
    assert [sock.getsockname()[0] for sock in made] == ["127.0.0.1"]
    for sock in made:
        sock.close()


def test_if_the_machine_has_none_of_the_addresses_that_is_said() -> None:
    with pytest.raises(OSError, match=r".") as refusal:
        listening_sockets([NOT_OF_THIS_MACHINE], 0)
    assert refusal.value.errno in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}


def test_all_addresses_listen_on_the_same_free_port() -> None:
    made = listening_sockets([V4, (socket.AF_INET, ("127.0.0.2", 0))], 0)
    assert len({sock.getsockname()[1] for sock in made}) == 1
    for sock in made:
        sock.close()


def test_a_port_that_is_taken_on_one_address_leaves_no_socket_behind() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(OSError, match=r".") as refusal:
            listening_sockets([(socket.AF_INET, ("127.0.0.2", 0)), V4], port)
        assert refusal.value.errno == errno.EADDRINUSE
    # A socket left behind would be an unraisable ResourceWarning, which fails the test run.
    socket.create_server(("127.0.0.2", port)).close()
