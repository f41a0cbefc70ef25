"""The golden protocol cases, each with the model that it brings along."""

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from botocore.model import OperationModel, ServiceModel

GOLDEN = Path(__file__).parents[1] / "golden" / "protocols"
NAME_OF_UNNAMED = "OperationName"


@dataclass(frozen=True)
class ProtocolCase:
    """One case: its id, its model, its operation, and the case itself.

    `unread_by_botocore` says that botocore's own parser is known to fail the case.
    """

    id: str
    protocol: str
    model: ServiceModel = field(repr=False)
    operation: OperationModel = field(repr=False)
    case: dict[str, Any]
    unread_by_botocore: bool


def protocol_cases(direction: str) -> Iterator[ProtocolCase]:
    """Return every case of `input` or `output`."""
    for path in sorted(GOLDEN.rglob(f"{direction}/*.json")):
        for number, suite in enumerate(json.loads(path.read_text(encoding="utf-8"))):
            for place, case in enumerate(suite["cases"]):
                yield _case(path, f"{number}-{place}", suite, case)


def _case(path: Path, place: str, suite: dict[str, Any], case: dict[str, Any]) -> ProtocolCase:
    description = copy.deepcopy({key: value for key, value in suite.items() if key != "cases"})
    given = {"name": NAME_OF_UNNAMED, **case["given"]}
    given.setdefault("http", {})
    given["http"] = {"method": "POST", "requestUri": "/", **given["http"]}
    description["operations"] = {given["name"]: given}
    description["metadata"].setdefault("targetPrefix", "TargetPrefix")
    model = ServiceModel(description)
    legacy = "legacy/" if "legacy" in path.parts else ""
    name = case.get("id", place)
    return ProtocolCase(
        id=f"{legacy}{path.stem}:{name}",
        protocol=model.metadata["protocol"],
        model=model,
        operation=model.operation_model(given["name"]),
        case=case,
        unread_by_botocore=name in _unread(path.stem, path.parent.name),
    )


@cache
def _unread(protocol: str, direction: str) -> frozenset[str]:
    listed = json.loads((GOLDEN / "protocol-tests-ignore-list.json").read_text(encoding="utf-8"))
    entry = listed["protocols"].get(protocol, {}).get(direction, {})
    return frozenset(entry.get("cases", ()))
