"""HTTP on the loopback interface, on `ggDaemonPort`."""

from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlsplit

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from hedgerow.core.health.workers import BadWorkersRequestError, Worker, select_workers
from hedgerow.kernel import ConfigurationError

WORKERS_PATH = "/2016-11-01/health/workers"
STATUS_PATH = "/health"

_HOST = "127.0.0.1"
_BODY_BYTES_LIMIT = 65_536
_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class HealthServer:
    """Answers questions about health. Start it, stop it."""

    def __init__(
        self,
        workers: Callable[[], Sequence[Worker]],
        status: Callable[[], Mapping[str, object]],
        routes: Sequence[web.AbstractRouteDef] = (),
    ) -> None:
        """`routes` are those of other rooms that have their place on the same port."""
        self._workers = workers
        self._status = status
        self._routes = routes
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self, port: int) -> None:
        """Listen on the port of the loopback interface; 0 is any free one."""
        app = web.Application(client_max_size=_BODY_BYTES_LIMIT, middlewares=[_local_only])
        app.router.add_get(WORKERS_PATH, self._all_workers)
        app.router.add_post(WORKERS_PATH, self._some_workers)
        app.router.add_get(STATUS_PATH, self._short_status)
        app.router.add_routes(self._routes)
        runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await runner.setup()
        try:
            await web.TCPSite(runner, _HOST, port).start()
        except OSError as error:
            await runner.cleanup()
            raise ConfigurationError(
                f"cannot listen on {_HOST}:{port}: {error.strerror}; set coreThing.ggDaemonPort"
            ) from error
        self._runner = runner
        self.port = runner.addresses[0][1]

    @property
    def is_listening(self) -> bool:
        """Tell whether it can be asked."""
        return self._runner is not None

    async def stop(self) -> None:
        """Stop listening and end open requests."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _all_workers(self, _request: web.Request) -> web.Response:
        return _json(tuple(self._workers()))

    async def _some_workers(self, request: web.Request) -> web.Response:
        try:
            return _json(select_workers(await request.read(), self._workers()))
        except BadWorkersRequestError as error:
            return web.Response(status=400, text=error.message)

    async def _short_status(self, _request: web.Request) -> web.Response:
        return _json(self._status())


@web.middleware
async def _local_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer only requests that were addressed to this host by a local name.

    A web page of another origin can make a browser on this host send a request here under a name
    of its own; such a request names that host.
    """
    if _name_in(request.host) not in _LOCAL_NAMES:
        return web.Response(status=403, text="this API answers local requests only")
    return await handler(request)


def _name_in(host: str) -> str | None:
    """Return the name in a Host header, None if it has none that can be read."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _json(document: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(document), content_type="application/json")
