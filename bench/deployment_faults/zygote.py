"""A process that has everything imported, and forks clouds and cores from itself.

It takes orders on its input, one line of JSON each, and tells on its output what became of them;
its children tell there when they are ready, armed, or struck. It has one thread.
"""

import contextlib
import faulthandler
import gc
import os
import select
import signal
import sys
import traceback
from asyncio import Event, get_running_loop
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog
import uvloop

from bench.deployment_faults.striking import Striker, watch_answers, watch_commits, watch_files
from hedgerow.cloud.app import CloudApp
from hedgerow.core.app import CoreApp
from hedgerow.kernel import SystemClock

FAILED: Final = 70
"""The status that a child ends with when it ends by a fault of its own."""


class Order(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Start a process under a token, or send one a signal."""

    token: int
    what: str
    folder: str = ""
    told: str = ""
    """Where the fault is written that SIGUSR1 arms."""
    is_armed: bool = False
    ports: dict[str, int] = {}
    clock_offset_s: float = 0.0
    signal: int = 0


class ShiftedClock:
    """The system's clock, with a wrong day."""

    def __init__(self, offset_s: float) -> None:
        self._clock = SystemClock()
        self._offset = timedelta(seconds=offset_s)

    def now(self) -> datetime:
        """Return the wrong time."""
        return self._clock.now() + self._offset

    def monotonic(self) -> float:
        """Return seconds that nobody sets."""
        return self._clock.monotonic()


def main() -> None:
    """Take orders until there are no more; then kill what is left."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    children: dict[int, int] = {}
    wake, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    gc.collect()
    gc.freeze()
    waiting = b""
    while True:
        readable, _, _ = select.select([0, wake], [], [])
        if wake in readable:
            os.read(wake, 4096)
            _reap(children)
        if 0 in readable:
            chunk = os.read(0, 65536)
            if not chunk:
                break
            *lines, waiting = (waiting + chunk).split(b"\n")
            for line in lines:
                _obey(msgspec.json.decode(line, type=Order), children)
    for child in children.values():
        os.kill(child, signal.SIGKILL)


def _obey(order: Order, children: dict[int, int]) -> None:
    if order.what == "signal":
        if order.token in children:
            os.kill(children[order.token], order.signal)
        return
    child = os.fork()
    if child:
        children[order.token] = child
        return
    code = FAILED
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        faulthandler.register(signal.SIGUSR2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        uvloop.run({"core": _core, "cloud": _cloud}[order.what](order))
        code = 0
    except BaseException:  # noqa: BLE001 - whatever it is, it is to be seen
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _reap(children: dict[int, int]) -> None:
    for token, child in tuple(children.items()):
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            del children[token]
            _say(token, "ended", status=os.waitstatus_to_exitcode(status))


def _say(token: int, what: str, **more: object) -> None:
    # Short enough to be whole in the pipe or not there (PIPE_BUF).
    os.write(1, msgspec.json.encode({"token": token, "what": what, **more}) + b"\n")


def _striker(order: Order) -> Striker:
    return Striker(Path(order.told), lambda: _say(order.token, "struck"))


async def _core(order: Order) -> None:
    striker = _striker(order)
    watch_files(striker, Path(order.folder))
    core = CoreApp(
        Path(order.folder),
        clock=ShiftedClock(order.clock_offset_s),
        insecure_skip_link_protection=True,
    )
    await _serve(
        order,
        striker,
        core.start,
        core.stop,
        lambda: {"mqtt": core.mqtt_port, "daemon": core.daemon_port},
    )


async def _cloud(order: Order) -> None:
    striker = _striker(order)
    watch_commits(striker)
    watch_answers(striker)
    cloud = await CloudApp.open(
        Path(order.folder),
        host="127.0.0.1",
        api_port=order.ports.get("api", 0),
        device_https_port=order.ports.get("https", 0),
        device_mqtt_port=order.ports.get("mqtt", 0),
    )

    def ports() -> dict[str, int]:
        endpoints = cloud.endpoints
        return {
            "api": endpoints.api_port or 0,
            "https": endpoints.device_https_port,
            "mqtt": endpoints.device_mqtt_port,
        }

    await _serve(order, striker, cloud.start, cloud.stop, ports)


async def _serve(
    order: Order,
    striker: Striker,
    start: Callable[[], Coroutine[Any, Any, None]],
    stop: Callable[[], Coroutine[Any, Any, None]],
    ports: Callable[[], dict[str, int]],
) -> None:
    """Serve until SIGTERM."""
    ended, loop = Event(), get_running_loop()

    def arm() -> None:
        striker.arm()
        _say(order.token, "armed")

    loop.add_signal_handler(signal.SIGTERM, ended.set)
    loop.add_signal_handler(signal.SIGUSR1, arm)
    if order.is_armed:
        striker.arm()
    await start()
    _say(order.token, "ready", ports=ports())
    await ended.wait()
    await stop()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
