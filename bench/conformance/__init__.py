"""Other people's MQTT test suites, run against mosquitto and against Hedgerow side by side.

`python -m bench.conformance` fetches the suites at pinned commits (`suites`), runs each against
Debian's mosquitto and against `stand_in`, a full-featured `Broker` behind mutual TLS, and prints a
table of both. The suites speak plaintext: `adapter` gives each of their connections a mutual-TLS
connection with a certificate for its client id. What differs, and why, stands in
docs/divergences/mqtt.md.
"""
