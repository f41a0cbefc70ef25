"""From a method and a raw path to an operation of a rest model, and the labels in the path.

Paths are matched as they are on the wire, segment by segment, and only then decoded: an ARN in a
label keeps its encoded slashes together. Segments that a proxy or a signature might read in
another way (empty, `.` and `..`) match nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from botocore.model import OperationModel, ServiceModel

from hedgerow.kernel import ConfigurationError

_NEVER = frozenset({"", ".", ".."})


@dataclass(frozen=True, slots=True)
class Route:
    """The operation that a request is for, with the path's labels decoded."""

    operation: str
    labels: Mapping[str, str]


@dataclass(slots=True)
class _Node:
    """Where a path has got to: what may come next, and which operations end here."""

    literals: "dict[str, _Node]" = field(default_factory=dict)
    label: "_Node | None" = None
    greedy: "list[_Ending]" = field(default_factory=list)
    endings: "list[_Ending]" = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Ending:
    """An operation whose path ends here, with the query it demands (`?List=ALL`)."""

    operation: str
    labels: tuple[str, ...]
    query: frozenset[tuple[str, str]]


class UriRouter:
    """All the paths of a rest model. Literals win over labels, demanded queries over none."""

    def __init__(self, model: ServiceModel) -> None:
        self._roots: dict[str, _Node] = {}
        for name in model.operation_names:
            self._add(model.operation_model(name))

    def route(
        self, method: str, raw_path: str, query: Iterable[tuple[str, str]] = ()
    ) -> Route | None:
        """Return the operation for a request, or None if the model has none there."""
        root = self._roots.get(method)
        segments = _segments(raw_path)
        if root is None or not _NEVER.isdisjoint(segments):
            return None
        pairs = frozenset(query)
        found = _match(root, segments, 0, (), pairs)
        if found is None:
            return None
        ending, raw_labels = found
        try:
            values = [unquote(raw, errors="strict") for raw in raw_labels]
        except UnicodeDecodeError:
            return None
        return Route(ending.operation, dict(zip(ending.labels, values, strict=True)))

    def _add(self, operation: OperationModel) -> None:
        path, _, query = operation.http["requestUri"].partition("?")
        node = self._roots.setdefault(operation.http["method"], _Node())
        labels: list[str] = []
        segments = _segments(path)
        greedy = False
        for place, segment in enumerate(segments):
            if not (segment.startswith("{") and segment.endswith("}")):
                node = node.literals.setdefault(segment, _Node())
                continue
            labels.append(segment[1:-1].removesuffix("+"))
            greedy = segment.endswith("+}")
            if greedy and place != len(segments) - 1:
                raise ConfigurationError(f"{operation.name} has a greedy label before its end.")
            if not greedy:
                node.label = node.label or _Node()
                node = node.label
        demands = frozenset(_pair(part) for part in query.split("&")) if query else frozenset()
        endings = node.greedy if greedy else node.endings
        endings.append(_Ending(operation.name, tuple(labels), demands))
        endings.sort(key=lambda ending: -len(ending.query))


def _segments(path: str) -> tuple[str, ...]:
    return tuple(path.removeprefix("/").removesuffix("/").split("/")) if path != "/" else ()


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value


def _match(
    node: _Node,
    segments: tuple[str, ...],
    place: int,
    labels: tuple[str, ...],
    query: frozenset[tuple[str, str]],
) -> tuple[_Ending, tuple[str, ...]] | None:
    """Walk down the paths, literals first; the depth is that of the model's own paths."""
    if place == len(segments):
        return next(((end, labels) for end in node.endings if end.query <= query), None)
    segment = segments[place]
    literal = node.literals.get(unquote(segment))
    if literal is not None:
        found = _match(literal, segments, place + 1, labels, query)
        if found is not None:
            return found
    if node.label is not None:
        found = _match(node.label, segments, place + 1, (*labels, segment), query)
        if found is not None:
            return found
    rest = "/".join(segments[place:])
    return next(((end, (*labels, rest)) for end in node.greedy if end.query <= query), None)
