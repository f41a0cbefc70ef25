"""The edge daemon: one gateway's work, which goes on whether or not its cloud can be reached.

In come `config.json`, signed deployments from the cloud, and messages of client devices over
mutual TLS; out go messages along the rows of the deployed subscription table, reports, and the
queue for the cloud. It may import kernel, policy, pki, mqtt and contract, and never `cloud`,
`aws` or `store`. What must never happen here: a message that passes without a row, a deployment
that runs without its signature checked, or local work that waits for the cloud. Its tests are in
`tests/unit/core`, `tests/security/test_core_*.py` and `tests/interop`.
"""
