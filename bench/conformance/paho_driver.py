"""Runs one of paho's suites in its own folder: `python paho_driver.py MODULE PORT`.

It sets what the suite's own command line would set, and prints one JSON object: case -> outcome.
"""

import contextlib
import importlib
import json
import signal
import sys
import unittest

_CASE_SECONDS = 60
_TOPICS = ("TopicA", "TopicA/B", "Topic/C", "TopicA/C", "/TopicA")
_FILTERS = ("TopicA/+", "+/C", "#", "/#", "/+", "+/+", "TopicA/#")


def main(module_name: str, port: int) -> None:
    """Run every case, one after the other."""
    sys.path.insert(0, ".")
    module = importlib.import_module(module_name)
    prefix = "client_test5/" if module_name.endswith("5") else ""
    chosen = {
        "host": "127.0.0.1",
        "port": port,
        "topic_prefix": prefix,
        "topics": [prefix + topic for topic in _TOPICS],
        "wildtopics": [prefix + topic_filter for topic_filter in _FILTERS],
        "nosubscribe_topics": ("test/nosubscribe",),
    }
    for name, value in chosen.items():
        setattr(module, name, value)
    _end_what_hangs(module.Test)
    loader = unittest.defaultTestLoader
    names = loader.getTestCaseNames(module.Test)
    with contextlib.redirect_stdout(sys.stderr):
        runner = unittest.TextTestRunner(stream=sys.stderr, verbosity=2)
        result = runner.run(loader.loadTestsFromTestCase(module.Test))
    failed = {case.id().rpartition(".")[2] for case, _ in (*result.failures, *result.errors)}
    began = result.testsRun > 0
    print(json.dumps({n: "passed" if began and n not in failed else "failed" for n in names}))


def _end_what_hangs(case: type[unittest.TestCase]) -> None:
    def over(_signal: int, _frame: object) -> None:
        raise TimeoutError(f"no end after {_CASE_SECONDS} seconds")

    signal.signal(signal.SIGALRM, over)
    case.setUp = lambda _self: signal.alarm(_CASE_SECONDS)  # type: ignore[assignment,method-assign]
    case.tearDown = lambda _self: signal.alarm(0)  # type: ignore[assignment,method-assign]


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
