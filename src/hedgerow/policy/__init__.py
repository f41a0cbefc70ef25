"""Judges AWS IoT policies: parse, compile, decide with the reason, generate the smallest ones.

In come the text of policies and requests (action, resource, variables); out come compiled
policies and decisions that name the statement that decided, or the action and resource that none
allows. It imports `kernel`, does no I/O, and is quick enough to ask for every message. What must
never happen here: a policy that was not fully understood is used, or something unknown (a
variable without a value, a mistake in a deny) lets a request pass.

Tests: `tests/unit/policy`, `tests/property/test_policy_*`, `tests/security/test_policy_*`.
"""

from hedgerow.policy.decide import AccessRequest, Decision, decide
from hedgerow.policy.documents import NamedPolicy, Policy
from hedgerow.policy.errors import MalformedPolicyError
from hedgerow.policy.explain import Explanation, StatementExplanation, explain
from hedgerow.policy.generate import (
    core_message_policy,
    minimal_core_policy,
    minimal_device_policy,
)
from hedgerow.policy.parse import DOCUMENT_LIMIT, parse_policy
from hedgerow.policy.variables import connection_variables

__all__ = [
    "DOCUMENT_LIMIT",
    "AccessRequest",
    "Decision",
    "Explanation",
    "MalformedPolicyError",
    "NamedPolicy",
    "Policy",
    "StatementExplanation",
    "connection_variables",
    "core_message_policy",
    "decide",
    "explain",
    "minimal_core_policy",
    "minimal_device_policy",
    "parse_policy",
]
