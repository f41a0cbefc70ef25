"""What a certificate's policies would say: TestAuthorization and GetEffectivePolicies.

The answer is that of the tables that the doors ask, so it cannot differ from what happens. A
certificate that may not come in at all (not ACTIVE, attached to nothing) is denied everything, as
it would be at the door.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from hedgerow.aws import Answer, Call, operation
from hedgerow.cloud.home import Home
from hedgerow.cloud.iot import attachments, policies, things
from hedgerow.cloud.iot.arns import client_arn, topic_arn, topic_filter_arn
from hedgerow.cloud.iot.faults import invalid_request
from hedgerow.cloud.iot.service_base import IotOperations, Members
from hedgerow.kernel import DeniedError
from hedgerow.policy import Explanation, NamedPolicy, StatementExplanation, parse_policy

_TESTED: Final[Mapping[str, tuple[str, Callable[[Home, str], str]]]] = MappingProxyType(
    {
        "CONNECT": ("iot:Connect", client_arn),
        "PUBLISH": ("iot:Publish", topic_arn),
        "RECEIVE": ("iot:Receive", topic_arn),
        "SUBSCRIBE": ("iot:Subscribe", topic_filter_arn),
    }
)
_DECISIONS: Final = MappingProxyType(
    {"allow": "ALLOWED", "explicit-deny": "EXPLICIT_DENY", "implicit-deny": "IMPLICIT_DENY"}
)


class AuthorizationOperations(IotOperations):
    """TestAuthorization and GetEffectivePolicies."""

    @operation("TestAuthorization")
    async def test_authorization(self, call: Call) -> Answer:
        """Say what the certificate would be allowed, and by which policies."""
        record = await attachments.principal(self._store, self._home, _principal(call.input))
        added = [
            NamedPolicy(name, parse_policy(found.document.default_text))
            for name in call.input.get("policyNamesToAdd", ())
            for found in [await policies.existing(self._store, self._home, name)]
        ]
        skipped = frozenset(call.input.get("policyNamesToSkip", ()))
        results = []
        for asked in call.input["authInfos"]:
            explanations = self._explanations(
                record.id, asked, call.input.get("clientId"), added, skipped
            )
            results.append(_result(self._home, asked, explanations))
        return {"authResults": results}

    @operation("GetEffectivePolicies")
    async def get_effective_policies(self, call: Call) -> Answer:
        """Return the policies that count for a certificate, or for a thing by its groups."""
        names: dict[str, None] = {}
        if "principal" in call.input:
            record = await attachments.principal(self._store, self._home, call.input["principal"])
            names |= dict.fromkeys(record.document.policies)
            owned: Iterable[str] = record.document.things
        else:
            owned = ()
        if "thingName" in call.input:
            owned = (
                *owned,
                (await things.existing(self._store, self._home, call.input["thingName"])).id,
            )
        names |= dict.fromkeys(self._directory.group_policies_of(owned))
        return {"effectivePolicies": [await self._effective(name) for name in names]}

    async def _effective(self, name: str) -> Members:
        record = await policies.existing(self._store, self._home, name)
        return {
            **policies.listed(self._home, name),
            "policyDocument": record.document.default_text,
        }

    def _explanations(
        self,
        certificate_id: str,
        asked: Members,
        client_id: str | None,
        added: Sequence[NamedPolicy],
        skipped: frozenset[str],
    ) -> list[Explanation]:
        """Return the answer for every resource; none at all if the certificate may not come in."""
        action, arn = _TESTED[asked.get("actionType", "CONNECT")]
        try:
            return [
                self._directory.explain(
                    certificate_id,
                    action,
                    text if text.startswith("arn:") else arn(self._home, text),
                    client_id=client_id,
                    added=added,
                    skipped=skipped,
                )
                for text in asked["resources"]
            ]
        except DeniedError:
            return []


def _principal(request: Members) -> str:
    if "principal" not in request:
        raise invalid_request(
            "Give the ARN of a certificate as principal; there are no Cognito identities here."
        )
    return str(request["principal"])


def _result(home: Home, asked: Members, explanations: Sequence[Explanation]) -> Members:
    """Put the answers for all resources together: the least favourable one is the decision."""
    effects = {explanation.decision.effect for explanation in explanations} or {"implicit-deny"}
    effect = next(one for one in ("explicit-deny", "implicit-deny", "allow") if one in effects)
    statements = [one for explanation in explanations for one in explanation.statements]
    allowing = _policies(one for one in statements if one.applies and one.effect == "Allow")
    denying = _policies(one for one in statements if one.applies and one.effect == "Deny")
    silent = {name: None for name in _policies(statements) if name not in allowing | denying}
    result: dict[str, Any] = {
        "authInfo": asked,
        "allowed": {"policies": _listed(home, allowing)},
        "denied": {
            "implicitDeny": {"policies": _listed(home, silent)},
            "explicitDeny": {"policies": _listed(home, denying)},
        },
        "authDecision": _DECISIONS[effect],
        "missingContextValues": sorted(
            {name for one in statements if one.covers_action for name in one.without_value}
        ),
    }
    return result


def _policies(statements: Iterable[StatementExplanation]) -> dict[str, None]:
    return {one.policy: None for one in statements}


def _listed(home: Home, names: Iterable[str]) -> list[Members]:
    return [policies.listed(home, name) for name in names]
