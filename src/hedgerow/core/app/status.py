"""Snapshots of a running core, for its health API."""

import os
from collections.abc import Mapping
from importlib import metadata
from typing import Any

from hedgerow.core.addresses import AddressDetector
from hedgerow.core.app.activation import Parts
from hedgerow.core.app.notices import NoticeBoard
from hedgerow.core.certificates import CertificateKeeper
from hedgerow.core.credentials import RoleKeeper
from hedgerow.core.deployment import AgentState, DeploymentAgent
from hedgerow.core.health import SYSTEM_FUNCTIONS, Worker, WorkerState
from hedgerow.core.server import LocalServer
from hedgerow.core.telemetry import RuntimeConfiguration, TelemetryAgent
from hedgerow.kernel import iso_milliseconds, new_uuid

_DEVICES_SHOWN = 20
"""Of the devices whose messages no row let pass, those with most."""


class StatusBoard:
    """Knows every part, changes none."""

    def __init__(
        self,
        parts: Parts,
        agent: DeploymentAgent,
        notices: NoticeBoard,
        role: RoleKeeper,
        configuration: RuntimeConfiguration,
        telemetry: TelemetryAgent,
    ) -> None:
        self._parts = parts
        self._agent = agent
        self._notices = notices
        self._role = role
        self.found_at_start: tuple[str, ...] = ()
        """What had to be mended before the core could start."""
        self._configuration = configuration
        self._telemetry = telemetry
        self._version = metadata.version("hedgerow")
        self._worker_ids = {name: new_uuid() for name in SYSTEM_FUNCTIONS}

    def workers(self) -> tuple[Worker, ...]:
        """Return the system functions that this core runs; they live in its own process."""
        parts = self._parts
        states = {
            "GGCloudSpooler": WorkerState.WORKING
            if parts.queue.counters.waiting
            else WorkerState.WAITING,
            "GGConnManager": _connection_manager(parts.server),
            "GGDeviceCertificateManager": _certificate_manager(parts.keeper),
            "GGTES": WorkerState.WAITING,
            "GGShadowService": WorkerState.WAITING,
        }
        if parts.sync.is_on:
            states["GGShadowSyncManager"] = (
                WorkerState.WORKING if parts.sync.waiting else WorkerState.WAITING
            )
        if parts.detector.is_on:
            states["GGIPDetector"] = _detector(parts.detector)
        return tuple(
            Worker(
                func_arn=SYSTEM_FUNCTIONS[name],
                worker_id=self._worker_ids[name],
                process_id=str(os.getpid()),
                worker_state=state,
            )
            for name, state in states.items()
        )

    def problems(self) -> tuple[str, ...]:
        """Return what is wrong now, each in one sentence."""
        parts = self._parts
        found = (
            *self.found_at_start,
            parts.link.problem,
            parts.queue.problem,
            self._notices.problem,
            self._agent.state.problem,
            self._agent.state.clock_problem,
            parts.keeper.problem,
            parts.detector.problem,
            parts.server.old_tls.problem,
            self._role.problem,
            parts.shadows.problem,
            parts.sync.problem,
            self._configuration.problem,
        )
        return tuple(dict.fromkeys(problem for problem in found if problem))

    def status(self) -> Mapping[str, Any]:
        """Return the short status."""
        parts, agent, problems = self._parts, self._agent.state, self.problems()
        served, fence = parts.keeper.served, parts.keeper.fence
        counters = parts.queue.counters
        held = self._role.held
        return {
            "version": self._version,
            "status": "degraded" if problems else "ok",
            "problems": problems,
            "advice": [parts.keeper.advice] if parts.keeper.advice else [],
            "cloud": {
                "connected": parts.link.is_connected,
                "clientId": parts.link.client_id,
                "connections": len(parts.link.connections),
                "workItems": {
                    "waiting": parts.link.work.waiting,
                    "ignored": parts.link.work.ignored,
                },
            },
            "deployment": {
                "deploymentId": agent.running,
                "membershipSerial": agent.membership_serial,
                "mode": agent.mode.value,
                "lastFailure": _failure_of(agent),
            },
            "mqtt": {
                "port": parts.server.port,
                "open": parts.server.is_open,
                "clients": len(parts.server.broker.sessions),
                "refusals": dict(parts.server.refusals.counters),
                "oldTls": dict(parts.server.old_tls.connections),
                "withoutRow": dict(parts.server.refusals.without_row.most_common(_DEVICES_SHOWN)),
                "serverCertificateEnds": iso_milliseconds(served.not_after) if served else None,
                "serverCertificateNames": sorted(served.names()) if served else [],
                "serverCertificateIssuedHere": served.is_issued_here if served else False,
                "ownAuthorityEnds": iso_milliseconds(fence) if fence else None,
            },
            "role": {
                "arn": held.role_arn if held else None,
                "credentialsEnd": iso_milliseconds(held.expires_at) if held else None,
            },
            "telemetry": {
                "setting": self._telemetry.setting,
                "waiting": len(self._telemetry.record.points),
            },
            "shadows": {"synced": len(parts.sync.filters), "waiting": parts.sync.waiting},
            "spool": {
                "storage": parts.queue.storage,
                "waiting": counters.waiting,
                "waitingBytes": counters.waiting_bytes,
                "sent": counters.sent,
                "inFlight": counters.in_flight,
                "DroppedMessageCount": counters.dropped,
                "refused": counters.refused,
                "expired": counters.expired,
            },
        }


def _failure_of(agent: AgentState) -> Mapping[str, str] | None:
    if agent.last_failure is None:
        return None
    deployment_id, reason = agent.last_failure
    return {"deploymentId": deployment_id, "reason": reason}


def _connection_manager(server: LocalServer) -> WorkerState:
    if not server.is_open:
        return WorkerState.STARTING
    return WorkerState.WORKING if server.broker.sessions else WorkerState.WAITING


def _certificate_manager(keeper: CertificateKeeper) -> WorkerState:
    if keeper.served is not None:
        return WorkerState.WAITING
    return WorkerState.NOT_STARTED if keeper.problem else WorkerState.STARTING


def _detector(detector: AddressDetector) -> WorkerState:
    return WorkerState.NOT_STARTED if detector.problem else WorkerState.WAITING
