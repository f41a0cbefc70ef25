"""The link of a core to a small cloud, and what it brought."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import structlog
from tests.support.cloud_double import CloudDouble

from hedgerow.core.config import load_config
from hedgerow.core.link import CloudLink, CloudMessage, LinkHandlers, LinkIdentity
from hedgerow.kernel import Clock, SystemClock


class LinkedCore:
    """The link of a core, and what it brought.

    `settings` are members of `coreThing`, `beside` holds what stands beside that in `config.json`.
    """

    def __init__(
        self,
        cloud: CloudDouble,
        root: Path,
        *,
        clock: Clock | None = None,
        beside: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        path = cloud.root(root, **settings) / "config/config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | dict(beside or {})))
        self.config = load_config(root)
        self.notices: list[CloudMessage] = []
        self.messages: list[CloudMessage] = []
        self.shadows: list[CloudMessage] = []
        self.connects = 0
        self.shadow_filters: list[str] = []
        self.link = CloudLink(
            self.config,
            LinkIdentity.load(self.config),
            ("$aws/things/core-1-gda/shadow/update/delta",),
            LinkHandlers(
                notice=self.notices.append,
                message=self.messages.append,
                connected=self._connected,
                shadow=self.shadows.append,
                shadows_heard=self._shadows_heard,
            ),
            clock=clock or SystemClock(),
            log=structlog.get_logger(),
        )

    def _connected(self) -> None:
        self.connects += 1

    def _shadows_heard(self, filters: Sequence[str]) -> None:
        self.shadow_filters += filters

    @asynccontextmanager
    async def running(self) -> AsyncIterator[CloudLink]:
        """Keep the link up."""
        task = asyncio.get_running_loop().create_task(self.link.run())
        try:
            yield self.link
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def client_ids(cloud: CloudDouble) -> list[str]:
    """Return who is connected."""
    return sorted(session.client_id for session in cloud.broker.sessions)
