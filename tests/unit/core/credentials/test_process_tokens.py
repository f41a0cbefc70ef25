"""Tokens belong to processes; `/proc` says which process is at the other end."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from hedgerow.core.credentials import Process, TokenBook, UnknownTokenError, process_of, processes
from hedgerow.core.credentials.processes import holds_connection, is_running
from hedgerow.core.credentials.tokens import TOKENS_LIMIT
from hedgerow.kernel import CallerError, UnavailableError

WAITING = "import sys; sys.stdin.read()"
CONNECTING = (
    "import socket, sys; s = socket.create_connection(('127.0.0.1', int(sys.argv[1])));"
    "print('connected', flush=True); sys.stdin.read()"
)


def process(pid: int, started: int = 1) -> Process:
    return Process(pid=pid, started=started, user=1000)


def test_a_token_is_its_process_s_and_no_guess_is() -> None:
    book = TokenBook()
    one, two = book.issue(process(1)), book.issue(process(2))
    assert book.holder(one.reveal()) == process(1)
    assert book.holder(two.reveal()) == process(2)
    name = one.reveal().partition(".")[0]
    wrong = ("", ".", name, f"{name}.", one.reveal()[:-1], one.reveal() + "A", "\udcff", "é")
    for guess in (*wrong, f"{name}.{two.reveal().partition('.')[2]}"):
        with pytest.raises(UnknownTokenError):
            book.holder(guess)


def test_a_token_is_not_kept_and_not_shown() -> None:
    book = TokenBook()
    token = book.issue(process(1))
    assert token.reveal() not in repr(vars(book))
    assert token.reveal() not in repr(token)


def test_a_token_ends_when_it_is_revoked_or_replaced() -> None:
    book = TokenBook()
    first = book.issue(process(1))
    second = book.issue(process(1))
    with pytest.raises(UnknownTokenError):
        book.holder(first.reveal())
    book.revoke(process(1, started=2))
    assert book.holder(second.reveal()) == process(1)
    book.revoke(process(1))
    with pytest.raises(UnknownTokenError):
        book.holder(second.reveal())
    third = book.issue(process(3))
    book.revoke_all()
    with pytest.raises(UnknownTokenError):
        book.holder(third.reveal())


def test_tokens_of_ended_processes_make_room_and_no_others_do() -> None:
    alive = {process(pid) for pid in range(TOKENS_LIMIT)}
    book = TokenBook(is_alive=alive.__contains__)
    for each in alive:
        book.issue(each)
    with pytest.raises(UnavailableError):
        book.issue(process(TOKENS_LIMIT))
    alive.remove(process(7))
    book.issue(process(TOKENS_LIMIT))
    assert len(book) == TOKENS_LIMIT


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


@pytest.fixture
def child() -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen([sys.executable, "-c", WAITING], stdin=subprocess.PIPE) as made:
        yield made


def test_a_process_is_known_by_more_than_its_number(child: "subprocess.Popen[bytes]") -> None:
    mine = process_of(child.pid)
    assert is_running(mine)
    assert not is_running(Process(mine.pid, mine.started + 1, mine.user))
    assert mine.user == os.getuid()
    child.communicate()
    assert not is_running(mine)
    with pytest.raises(CallerError, match="no process"):
        process_of(child.pid)


@pytest.mark.spec("L16")
def test_the_kernel_says_whose_connection_it_is(
    listener: socket.socket, child: "subprocess.Popen[bytes]"
) -> None:
    """The other process has the same user, so nothing but the process itself tells them apart."""
    address = listener.getsockname()
    with socket.create_connection(address) as connection:
        peer = connection.getsockname()
        assert holds_connection(process_of(os.getpid()), local=address, peer=peer)
        assert not holds_connection(process_of(child.pid), local=address, peer=peer)
    assert not holds_connection(process_of(os.getpid()), local=address, peer=peer)


@pytest.mark.spec("L16")
def test_what_a_process_starts_is_its_own(
    listener: socket.socket, child: "subprocess.Popen[bytes]"
) -> None:
    command = [sys.executable, "-c", CONNECTING, str(listener.getsockname()[1])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        connection, peer = listener.accept()
        local = listener.getsockname()
        with connection:
            assert holds_connection(process_of(other.pid), local=local, peer=peer)
            assert holds_connection(process_of(os.getpid()), local=local, peer=peer)
            assert not holds_connection(process_of(child.pid), local=local, peer=peer)
        other.communicate()


def test_where_the_kernel_hides_open_files_the_user_is_compared(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for a core that is not root, and a process of another user."""

    def hidden(_pid: int) -> set[str]:
        raise PermissionError

    monkeypatch.setattr(processes, "_sockets", hidden)
    address, mine = listener.getsockname(), process_of(os.getpid())
    with socket.create_connection(address) as connection:
        peer = connection.getsockname()
        assert holds_connection(mine, local=address, peer=peer)
        other = Process(mine.pid, mine.started, mine.user + 1)
        assert not holds_connection(other, local=address, peer=peer)


async def test_looking_does_not_block_the_loop(listener: socket.socket) -> None:
    address = listener.getsockname()
    with socket.create_connection(address) as connection:
        mine = process_of(os.getpid())
        peer = connection.getsockname()
        assert await asyncio.to_thread(holds_connection, mine, local=address, peer=peer)
