"""Random policies and requests that often nearly match, the same for the same seed.

Every element of the grammar turns up: each condition operator with IfExists, ForAllValues and
ForAnyValue, NotAction, NotResource, variables with and without defaults, keys that are absent or
have several values, both versions, boundaries and session policies. Values come from small pools,
so that a condition is about as often met as not.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, TypeVar

from tests.support.policy_differential import pools
from tests.support.policy_differential.cases import Case, Document, GivenContext, statements

T = TypeVar("T")


class Generator:
    """Makes cases from one seed."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)  # noqa: S311 - for tests, and the same every time
        self._without: tuple[str, ...] = ()

    def cases(self, number: int) -> list[Case]:
        """Return that many cases."""
        return [self._case() for _ in range(number)]

    def _case(self) -> Case:
        action, kind = self._pick(pools.ACTIONS)
        with_session = self._chance(0.12)
        with_endpoint = self._chance(0.08)
        self._without = pools.BINARY_KEYS if with_session or with_endpoint else ()
        return Case(
            identity=tuple(self._document() for _ in range(self._pick((1, 1, 1, 2)))),
            boundary=self._document() if self._chance(0.15) else None,
            session=self._document() if with_session else None,
            endpoint=self._for_anybody(self._document()) if with_endpoint else None,
            action=action,
            resource=pools.ARN + kind + self._pick(pools.NAMES),
            context=self._context(),
        )

    # --- documents

    def _document(self) -> Document:
        count = self._pick((1, 1, 2, 3))
        return {
            "Version": "2008-10-17" if self._chance(0.08) else "2012-10-17",
            "Statement": [self._statement() for _ in range(count)],
        }

    def _for_anybody(self, document: Document) -> Document:
        """Return the document of an endpoint: the oracle takes no other principal there."""
        anybody = [{**one, "Principal": "*"} for one in statements(document)]
        return {**document, "Statement": anybody}

    def _statement(self) -> dict[str, Any]:
        statement: dict[str, Any] = {"Effect": self._pick(("Allow", "Allow", "Deny"))}
        action = "NotAction" if self._chance(0.12) else "Action"
        resource = "NotResource" if self._chance(0.12) else "Resource"
        statement[action] = self._listed(pools.ACTION_PATTERNS)
        statement[resource] = self._several(self._resource)
        if self._chance(0.6):
            conditions = self._conditions()
            statement |= {"Condition": conditions} if conditions else {}
        return statement

    def _resource(self) -> str:
        if self._chance(0.25):
            return "*"
        kind = self._pick(("topic/", "topic/", "thing/"))
        head = pools.ARN if self._chance(0.7) else self._pick(pools.HEADS)
        return head + kind + self._tail()

    def _tail(self) -> str:
        return "".join(
            self._pick(self._pick(pools.PIECES)) for _ in range(self._pick((1, 1, 2, 3)))
        )

    def _conditions(self) -> dict[str, dict[str, Any]]:
        block: dict[str, dict[str, Any]] = {}
        for _ in range(self._pick((1, 1, 1, 2))):
            family = self._pick(pools.OPERATORS)
            operator, key = self._pick(family.names), self._pick(family.keys)
            values = family.values
            if key in self._without:
                continue
            if operator == "Null":
                block.setdefault("Null", {})[key] = self._pick(values)
                continue
            if key in pools.LIST_KEYS or self._chance(0.04):
                operator = self._pick(("ForAllValues:", "ForAnyValue:")) + operator
            if self._chance(0.2):
                operator += "IfExists"
            block.setdefault(operator, {})[key] = self._listed(values)
        return block

    # --- requests

    def _context(self) -> GivenContext:
        context: dict[str, str | list[str]] = {}
        for key in pools.TEXT_KEYS:
            if self._chance(0.65):
                context[key] = self._pick(pools.STRINGS)
        if self._chance(0.6):
            number = self._pick((1, 1, 2, 3))
            tags = self._random.sample(pools.STRINGS, number)
            context["aws:TagKeys"] = ["", *tags[1:]] if self._chance(0.15) else tags
        for key, pool in pools.ONE_VALUE_KEYS:
            if key not in self._without and self._chance(0.75):
                context[key] = self._pick(pool)
        return context

    # --- chance

    def _pick(self, pool: Sequence[T]) -> T:
        return self._random.choice(pool)

    def _chance(self, share: float) -> bool:
        return self._random.random() < share

    def _listed(self, pool: Sequence[str]) -> str | list[str]:
        return self._several(lambda: self._pick(pool))

    def _several(self, make: Callable[[], str]) -> str | list[str]:
        number = self._pick((1, 1, 1, 2, 3))
        return make() if number == 1 else [make() for _ in range(number)]
