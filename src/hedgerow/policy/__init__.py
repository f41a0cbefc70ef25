"""Judges policies, IAM's and AWS IoT's alike: parse, compile, decide with the reason, explain.

In come the text of policies and requests (action, resource, context, principal); out come
compiled policies and decisions that name the statement that decided, or the action and resource
that none allows. It imports `kernel`, does no I/O, and is quick enough to ask for every message.
What must never happen here: a policy that was not fully understood is used, or something unknown
(a device's variable without a value, a mistake in a deny) lets a request pass.

Tests: `tests/unit/policy`, `tests/property/test_policy_*`, `tests/security/test_policy_*`.
"""

from hedgerow.policy.context import Context, Values, context
from hedgerow.policy.decide import decide, decide_trust
from hedgerow.policy.decisions import Decision
from hedgerow.policy.dialects import (
    DOCUMENT_LIMIT,
    GROUP_INLINE_LIMIT,
    MANAGED_POLICY_LIMIT,
    ROLE_INLINE_LIMIT,
    USER_INLINE_LIMIT,
    Dialect,
    document_size,
)
from hedgerow.policy.documents import NamedPolicy, Policy, PolicySet, Statement
from hedgerow.policy.errors import MalformedPolicyError
from hedgerow.policy.explain import (
    Explanation,
    StatementExplanation,
    explain,
    explain_trust,
)
from hedgerow.policy.generate import (
    core_message_policy,
    core_shadow_policies,
    core_update_policy,
    minimal_core_policy,
    minimal_device_policy,
)
from hedgerow.policy.parse import parse_policy
from hedgerow.policy.requests import AccessRequest, Requester
from hedgerow.policy.variables import connection_variables

__all__ = [
    "DOCUMENT_LIMIT",
    "GROUP_INLINE_LIMIT",
    "MANAGED_POLICY_LIMIT",
    "ROLE_INLINE_LIMIT",
    "USER_INLINE_LIMIT",
    "AccessRequest",
    "Context",
    "Decision",
    "Dialect",
    "Explanation",
    "MalformedPolicyError",
    "NamedPolicy",
    "Policy",
    "PolicySet",
    "Requester",
    "Statement",
    "StatementExplanation",
    "Values",
    "connection_variables",
    "context",
    "core_message_policy",
    "core_shadow_policies",
    "core_update_policy",
    "decide",
    "decide_trust",
    "document_size",
    "explain",
    "explain_trust",
    "minimal_core_policy",
    "minimal_device_policy",
    "parse_policy",
]
