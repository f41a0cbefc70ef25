"""How many policy decisions a second of processor time gives: `python -m bench.policy_decisions`.

The cases are those of the hot path: a core under the documented minimal policy, a device whose
topics carry its client id, a request that nothing allows, and a policy of 15 statements.
"""

import json
import time

from hedgerow.policy import (
    AccessRequest,
    Context,
    NamedPolicy,
    Policy,
    connection_variables,
    decide,
    minimal_core_policy,
    parse_policy,
)

ROUNDS = 20_000
IOT = "arn:aws:iot:us-east-1:111122223333:"


def main() -> None:
    """Print one line per case."""
    for name, policies, request in cases():
        rate, microseconds = measure(policies, request)
        allowed = "allowed" if decide(policies, request).allowed else "denied"
        print(f"{name:42} {allowed:8} {rate:10,.0f} /s of CPU   {microseconds:6.2f} us")


def measure(policies: list[NamedPolicy], request: AccessRequest) -> tuple[float, float]:
    """Return decisions per second of processor time, and microseconds for one; best of three."""
    best = float("inf")
    for _ in range(3):
        started = time.process_time()
        for _ in range(ROUNDS):
            decide(policies, request)
        best = min(best, time.process_time() - started)
    return ROUNDS / best, best / ROUNDS * 1e6


def cases() -> list[tuple[str, list[NamedPolicy], AccessRequest]]:
    """Return what is measured."""
    core = [
        NamedPolicy(
            "core",
            parse_policy(
                minimal_core_policy(
                    region="us-east-1",
                    account="111122223333",
                    core_thing_name="gate",
                    group_id="6f1d8f2c-8b7e-4b0a-9b1a-2b9a7f3c1d10",
                )
            ),
        )
    ]
    device = [NamedPolicy("device", _policy(_allow(IOT + "topic/site/${iot:ClientId}/up/*")))]
    many = [NamedPolicy("many", _policy(*(_allow(f"{IOT}topic/{n:02}/*/x/*y") for n in range(15))))]
    lamp = connection_variables(
        client_id="lamp", thing_name="lamp", certificate_id="0" * 64, attached=True
    )
    notice = IOT + "topic/$aws/things/gate-gda/shadow/update/delta"
    return [
        ("core receives a notice", core, AccessRequest("iot:Receive", notice, {})),
        ("core publishes elsewhere", core, AccessRequest("iot:Publish", IOT + "topic/a", {})),
        ("device publishes, a variable", device, _publish("site/lamp/up/temperature", lamp)),
        ("15 statements, the last allows", many, _publish("14/a/x/by", lamp)),
        ("15 statements, none allows", many, _publish("20/a/x/by", lamp)),
    ]


def _allow(resource: str) -> dict[str, str]:
    return {"Effect": "Allow", "Action": "iot:Publish", "Resource": resource}


def _policy(*statements: dict[str, str]) -> Policy:
    return parse_policy(json.dumps({"Version": "2012-10-17", "Statement": statements}))


def _publish(topic: str, variables: Context) -> AccessRequest:
    return AccessRequest("iot:Publish", IOT + "topic/" + topic, variables)


if __name__ == "__main__":
    main()
