"""The one pipeline from an HTTP request to an AWS-shaped answer."""

import asyncio
from collections.abc import Sequence

from hedgerow.aws.credentials import CredentialSource
from hedgerow.aws.http import HttpAnswer, HttpLimits, HttpRequest, HttpServer
from hedgerow.aws.service import Authorizer, Recorder, Service
from hedgerow.kernel import Clock


class Gateway:
    """Serves the APIs of its services: `handle` answers one request, `protocol` one connection."""

    def __init__(
        self,
        services: Sequence[Service],
        credentials: CredentialSource,
        authorizer: Authorizer,
        *,
        region: str,
        clock: Clock,
        record: Recorder,
        limits: HttpLimits | None = None,
    ) -> None:
        self._services = tuple(services)
        self._credentials = credentials
        self._authorizer = authorizer
        self._region = region
        self._clock = clock
        self._record = record
        self._http = HttpServer(self.handle, limits=limits)

    def protocol_factory(self, peer: object = None) -> asyncio.Protocol:
        """Return the protocol for one accepted connection (give this method to a listener)."""
        return self._http.protocol(peer)

    async def stop(self) -> None:
        """Let requests in progress finish, then close every connection."""
        await self._http.stop()

    async def handle(self, request: HttpRequest) -> HttpAnswer:
        """Answer one request; never raises."""
        raise NotImplementedError  # the pipeline lands next; the signature is final
