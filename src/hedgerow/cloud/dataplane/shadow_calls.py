"""Shadows over HTTPS: AWS IoT's own paths, judged by the policy of the caller's certificate.

The policy decides whose shadow: a core synchronises the shadows of its clients under its own
policy (statement D14), as long as the account's service role lets it (statement Q04). A named
shadow is `?name=`, and a resource of its own.
"""

from typing import Protocol

from hedgerow.aws import HttpAnswer
from hedgerow.cloud.dataplane.answers import JSON, ok
from hedgerow.cloud.dataplane.authorized import Authorized
from hedgerow.cloud.greengrass import SynchronisationRights
from hedgerow.cloud.iot_data import PAGE_DEFAULT, PAGE_LIMIT, ShadowService
from hedgerow.contract import CLASSIC, ShadowId, encode
from hedgerow.kernel import CallerError
from hedgerow.shadow import ShadowError


class _Ask(Protocol):
    async def __call__(self, thing_name: str, payload: bytes, *, shadow_name: str) -> bytes:
        """Ask the shadow service something of one shadow."""


class ShadowCalls:
    """Get, update and delete of a thing's shadows, and the list of the named ones."""

    def __init__(self, shadows: ShadowService, rights: SynchronisationRights) -> None:
        self._shadows = shadows
        self._rights = rights

    async def get(self, request: Authorized) -> HttpAnswer:
        """Return the shadow's document."""
        return await self._answered(request, self._shadows.get)

    async def update(self, request: Authorized) -> HttpAnswer:
        """Merge an update and return what was accepted."""
        return await self._answered(request, self._shadows.update)

    async def delete(self, request: Authorized) -> HttpAnswer:
        """Delete the shadow."""
        return await self._answered(request, self._shadows.delete)

    async def names(self, request: Authorized) -> HttpAnswer:
        """Return a page of the names of the thing's named shadows."""
        parameters = request.parameters
        await self._require(request, ShadowId(parameters["thing"]))
        try:
            page = await self._shadows.names(
                parameters["thing"],
                limit=_page_size(parameters.get("pageSize")),
                after=parameters.get("nextToken"),
            )
        except ShadowError as error:
            return HttpAnswer(error.status, JSON, self._shadows.rejection(error))
        return ok(encode(page))

    async def _answered(self, request: Authorized, ask: _Ask) -> HttpAnswer:
        parameters = request.parameters
        name = parameters.get("name", CLASSIC)
        await self._require(request, ShadowId(parameters["thing"], name))
        try:
            return ok(await ask(parameters["thing"], request.body, shadow_name=name))
        except ShadowError as error:
            return HttpAnswer(error.status, JSON, self._shadows.rejection(error))

    async def _require(self, request: Authorized, shadow: ShadowId) -> None:
        await self._rights.require(request.device, request.match.route.action, shadow)


def _page_size(text: str | None) -> int:
    if text is None:
        return PAGE_DEFAULT
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= PAGE_LIMIT:
        raise CallerError(f"pageSize is a number from 1 to {PAGE_LIMIT}")
    return int(text)
