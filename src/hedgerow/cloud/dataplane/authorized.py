"""Who asks for what, and whether it may: the proof that every call of the data plane needs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from hedgerow.aws import HttpRequest
from hedgerow.cloud.dataplane.answers import UnauthenticatedError
from hedgerow.cloud.dataplane.routes import Match, Parameters
from hedgerow.cloud.iot import AdmittedDevice, DeviceDirectory
from hedgerow.kernel import DeniedError, quoted
from hedgerow.policy import Decision

THING_HEADER: Final = "x-amzn-iot-thingname"
_SEAL = object()


@dataclass(frozen=True, slots=True)
class Authorized:
    """A request that the device's policy allows.

    INVARIANT: only `authorize` makes these.
    """

    device: AdmittedDevice
    match: Match
    body: bytes = field(repr=False)
    raw_query: str
    headers: Mapping[str, str] = field(repr=False)
    thing_name: str | None
    """The thing that the device says it is; one of its own."""
    _seal: object = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        if self._seal is not _SEAL:
            raise TypeError("an Authorized comes from authorize only")

    @property
    def parameters(self) -> Parameters:
        """Return the parameters of the request's path."""
        return self.match.parameters


def authorize(
    directory: DeviceDirectory, certificate_id: str | None, match: Match, request: HttpRequest
) -> Authorized:
    """Return the proof, or raise `UnauthenticatedError` or `DeniedError`.

    Both name the action and the resource, so that an operator sees what to allow.
    """
    wanted = f"{match.route.action} on {match.resource}"
    if certificate_id is None:
        raise UnauthenticatedError(f"{wanted} needs a client certificate")
    try:
        device = directory.admit(certificate_id)
    except DeniedError as error:
        raise UnauthenticatedError(f"{wanted} is refused: {error.message}") from error
    thing_name = _named_thing(device, match, request)
    decision = _decided(directory, device, match, thing_name)
    if not decision.allowed:
        raise DeniedError(f"{wanted} is refused: {decision.reason}")
    return Authorized(
        device=device,
        match=match,
        body=request.body,
        raw_query=request.raw_query,
        headers=request.headers,
        thing_name=thing_name,
        _seal=_SEAL,
    )


def _decided(
    directory: DeviceDirectory, device: AdmittedDevice, match: Match, thing_name: str | None
) -> Decision:
    """Decide by the action, and by its older name if it has one: either allows, either denies."""
    route, resource = match.route, match.resource
    decision = directory.authorize(device, route.action, resource, client_id=thing_name)
    if not route.older_action or decision.effect == "explicit-deny":
        return decision
    older = directory.authorize(device, route.older_action, resource, client_id=thing_name)
    return older if older.allowed or older.effect == "explicit-deny" else decision


def _named_thing(device: AdmittedDevice, match: Match, request: HttpRequest) -> str | None:
    """Return the thing that a request for credentials names, so that policies know it.

    Raises `DeniedError` if it is not the device's own.
    """
    if not match.route.names_thing:
        return None
    name = request.headers.get(THING_HEADER)
    if name is not None and name not in device.things:
        raise DeniedError(
            f"{match.route.action} is refused: {THING_HEADER} names {quoted(name)}, and the "
            "device's certificate is not attached to that thing"
        )
    return name


def require_own_thing(request: Authorized) -> str:
    """Return the thing of the path if it is the caller's own, else raise `DeniedError`."""
    thing = request.parameters["thing"]
    if thing not in request.device.things:
        raise DeniedError(
            f"{request.match.route.action} is for the device's own thing only: its certificate is "
            f"not attached to thing {quoted(thing)}"
        )
    return thing
