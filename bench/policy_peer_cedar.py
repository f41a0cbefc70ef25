"""How fast cedarpy decides: the work is a JSON file, the answer one line of JSON.

    python policy_peer_cedar.py FILE     (a Python that has cedarpy)

A statement is a policy of Cedar's: its actions, its resources as patterns of `context.arn`, its
condition. Policies and entities are read once, and requests are put in batches, as is quickest.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from cedarpy import (  # type: ignore[import-not-found]  # the peers' environment has it
    Entities,
    PolicySet,
    is_authorized_batch,
)


def main(file: str) -> None:
    """Measure, and print the best round's seconds with the last round's answers."""
    work = json.loads(Path(file).read_text(encoding="utf-8"))
    policies = PolicySet.from_str("\n".join(_policy(one) for one in _statements(work)))
    entities = Entities.from_json_str("[]")
    best = float("inf")
    allowed: list[bool] = []
    for asked in work["rounds"]:
        requests = [_request(one, work["context"]) for one in asked]
        before = time.process_time()
        answers = is_authorized_batch(requests, policies, entities)
        best = min(best, time.process_time() - before)
        allowed = [bool(answer.allowed) for answer in answers]
    print(json.dumps({"seconds": best, "allowed": allowed}))


def _statements(work: dict[str, Any]) -> list[dict[str, Any]]:
    return [statement for document in work["documents"] for statement in document["Statement"]]


def _policy(statement: dict[str, Any]) -> str:
    effect = "permit" if statement["Effect"] == "Allow" else "forbid"
    actions = ", ".join(f"Action::{json.dumps(one)}" for one in _listed(statement["Action"]))
    resources = " || ".join(
        f"context.arn like {json.dumps(one)}" for one in _listed(statement["Resource"])
    )
    conditions = "".join(
        f" && context has {key} && context[{key}] == {json.dumps(value)}"
        for key, value in _lowered(statement.get("Condition", {}).get("StringEquals", {})).items()
    )
    return (
        f"{effect} (principal, action in [{actions}], resource) "
        f"when {{ ({resources}){conditions} }};"
    )


def _lowered(keys: dict[str, str]) -> dict[str, str]:
    """Return the keys as the context has them, quoted."""
    return {json.dumps(key.lower()): value for key, value in keys.items()}


def _request(asked: dict[str, str], context: dict[str, str]) -> dict[str, Any]:
    return {
        "principal": {"type": "User", "id": "alice"},
        "action": {"type": "Action", "id": asked["action"]},
        "resource": {"type": "Resource", "id": "it"},
        "context": {**context, "arn": asked["resource"]},
    }


def _listed(given: str | list[str]) -> list[str]:
    return given if isinstance(given, list) else [given]


if __name__ == "__main__":
    main(sys.argv[1])
