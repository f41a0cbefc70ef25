"""Shadows over HTTPS: AWS IoT's own paths, judged by the policy of the caller's certificate.

The policy alone decides whose shadow: a core synchronises the shadows of its clients under its
own policy (statement D14). Only the classic shadow exists; a named one is refused, not mistaken.
"""

from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs

from hedgerow.aws import HttpAnswer
from hedgerow.cloud.dataplane.answers import JSON, ok
from hedgerow.cloud.dataplane.authorized import Authorized
from hedgerow.cloud.iot_data import ShadowService
from hedgerow.kernel import CallerError
from hedgerow.shadow import ShadowError


class ShadowCalls:
    """Get, update and delete of a thing's classic shadow."""

    def __init__(self, shadows: ShadowService) -> None:
        self._shadows = shadows

    async def get(self, request: Authorized) -> HttpAnswer:
        """Return the shadow's document."""
        return await self._answered(request, self._shadows.get)

    async def update(self, request: Authorized) -> HttpAnswer:
        """Merge an update and return what was accepted."""
        return await self._answered(request, self._shadows.update)

    async def delete(self, request: Authorized) -> HttpAnswer:
        """Delete the shadow."""
        return await self._answered(request, self._shadows.delete)

    async def _answered(
        self, request: Authorized, ask: Callable[[str, bytes], Awaitable[bytes]]
    ) -> HttpAnswer:
        if "name" in parse_qs(request.raw_query, keep_blank_values=True):
            raise CallerError("named shadows are not supported; leave 'name' out of the query")
        try:
            return ok(await ask(request.parameters["thing"], request.body))
        except ShadowError as error:
            return HttpAnswer(error.status, JSON, self._shadows.rejection(error))
