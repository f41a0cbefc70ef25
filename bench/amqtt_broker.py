"""PyPI's amqtt with mutual TLS and an access list: `python amqtt_broker.py SITE PORT`.

It runs in the peers' environment and imports nothing of Hedgerow. amqtt takes the user's name from
the CONNECT, and has no way to ask for a client's certificate: its TLS context is told to here.
"""

import asyncio
import json
import logging
import ssl
import sys
from pathlib import Path
from typing import Any

from amqtt.broker import Broker  # type: ignore[import-not-found]  # is in the peers' environment


def main(site: Path, port: int) -> None:
    """Serve until SIGTERM."""
    logging.disable(logging.ERROR)
    asyncio.run(_serve(site, port))


async def _serve(site: Path, port: int) -> None:
    rights = json.loads((site / "access.json").read_text())
    broker = Broker(_configuration(site, port, rights))
    make = ssl.create_default_context

    def demanding(*arguments: Any, **named: Any) -> ssl.SSLContext:
        context = make(*arguments, **named)
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    ssl.create_default_context = demanding
    await broker.start()
    await asyncio.Event().wait()


def _configuration(site: Path, port: int, rights: dict[str, Any]) -> dict[str, Any]:
    return {
        "listeners": {
            "default": {
                "type": "tcp",
                "bind": f"127.0.0.1:{port}",
                "max_connections": 10_000,
                "ssl": True,
                "cafile": str(site / "device.ca.pem"),
                "certfile": str(site / "server.cert.pem"),
                "keyfile": str(site / "server.private.key"),
            }
        },
        "plugins": {
            "amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True},
            "amqtt.plugins.topic_checking.TopicAccessControlListPlugin": {
                "acl": {"anonymous": ["#"]},
                "publish_acl": {"anonymous": _writable(rights)},
            },
        },
    }


def _writable(rights: dict[str, Any]) -> list[str]:
    """Return the topics of those that are measured: amqtt knows no names without passwords."""
    measured = ("site/", "alarm/", "meter/", "ask/", "answer/")
    return sorted(
        {one for each in rights.values() for one in each["write"] if one.startswith(measured)}
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
