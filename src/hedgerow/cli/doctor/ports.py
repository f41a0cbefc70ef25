"""Findings about the port that client devices come to: is it the core's to take."""

import errno
import os
import socket
from collections.abc import Iterator

from hedgerow.cli.doctor.finding import Finding
from hedgerow.core.app import read_endpoints
from hedgerow.core.config import CoreConfig
from hedgerow.kernel import ConfigurationError

_SUBJECT = "port for devices"
_ALL_ADDRESSES = ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::"))  # noqa: S104 - as the core


def port_findings(config: CoreConfig) -> Iterator[Finding]:
    """Yield whether the core can listen on `ggMqttPort`; 0 stands for any port that is free."""
    port = config.gg_mqtt_port
    if not port:
        return
    if _is_served(config):
        yield Finding(_SUBJECT, ok=True, found=f"the core serves on {port}")
    elif _is_taken(port):
        yield Finding(
            _SUBJECT,
            ok=False,
            found=f"{port} is taken by another program",
            advice=f"find it with: ss -ltnp 'sport = :{port}'; stop it, or give the core another "
            "coreThing.ggMqttPort in config.json",
        )
    else:
        yield Finding(_SUBJECT, ok=True, found=f"{port} is free")


def _is_served(config: CoreConfig) -> bool:
    """Tell whether this very core runs and has the port."""
    try:
        endpoints = read_endpoints(config.folders.root)
        os.kill(endpoints.pid, 0)
    except PermissionError:
        return True  # it runs as another user
    except (ConfigurationError, OSError, OverflowError):
        return False
    return endpoints.gg_mqtt_port == config.gg_mqtt_port


def _is_taken(port: int) -> bool:
    for family, address in _ALL_ADDRESSES:
        try:
            socket.create_server((address, port), family=family).close()
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return True  # anything else, a host without IPv6 say, is none of this port's
    return False
