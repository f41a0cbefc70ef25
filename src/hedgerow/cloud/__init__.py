"""The cloud: AWS-compatible services, the devices' data plane and message broker.

One sub-room per AWS service, named as in boto3, and `dataplane`, `broker` and `app`; `home` says
whose account and region they all serve. In come administrators' signed calls and devices over
mutual TLS; out go answers, certificates, deployments and messages. It may import every room but
`core`, which it meets only through `contract`. What must never happen here: an effect without the
proof that its caller was allowed it. The tests are in `tests/unit/cloud`, and the attacks in
`tests/security`.
"""
