"""Fuzzers for MQTT: arbitrary bytes on the codec and the fast paths, hostile clients on a server.

`codec` and `paths` say what must hold for any bytes; `coverage` has atheris look for bytes for
which it does not (`requirements/fuzz.in`), `live` attacks a running server. What was found lies in
`tests/golden/mqtt-fuzz` and is tried again by `tests/property/test_mqtt_fuzzed.py`.
"""
