"""Runs one of paho's suites in its own folder: `python paho_driver.py MODULE PORT [DONE…]`.

It sets what the suite's own command line would set, leaves out the cases that are done already, and
prints one JSON object: case -> outcome. A case that does not end is the last one of this process:
whoever started it starts it again for the rest.
"""

import contextlib
import importlib
import json
import os
import signal
import sys
import unittest
from typing import Any

_CASE_SECONDS = 60
_TOPICS = ("TopicA", "TopicA/B", "Topic/C", "TopicA/C", "/TopicA")
_FILTERS = ("TopicA/+", "+/C", "#", "/#", "/+", "+/+", "TopicA/#")


class _Outcomes(unittest.TextTestResult):
    """Notes how each case ended, and ends the process with one that does not end."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.outcomes: dict[str, str] = {}
        self._now = ""

    def startTest(self, test: unittest.TestCase) -> None:  # noqa: N802 - unittest's name
        """Begin to wait."""
        super().startTest(test)
        self._now = test.id().rpartition(".")[2]
        self.outcomes[self._now] = "passed"
        signal.signal(signal.SIGALRM, self._over)
        signal.alarm(_CASE_SECONDS)

    def stopTest(self, test: unittest.TestCase) -> None:  # noqa: N802 - unittest's name
        """Wait no longer."""
        signal.alarm(0)
        super().stopTest(test)

    def addError(self, test: unittest.TestCase, err: Any) -> None:  # noqa: N802 - unittest's name
        """Note it."""
        super().addError(test, err)
        self.outcomes[self._now] = "failed"

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:  # noqa: N802 - unittest's name
        """Note it."""
        super().addFailure(test, err)
        self.outcomes[self._now] = "failed"

    def _over(self, _signal: int, _frame: object) -> None:
        # An exception would be caught by some of the cases.
        self.outcomes[self._now] = "too slow"
        os.write(1, json.dumps(self.outcomes).encode())
        os._exit(0)


def main(module_name: str, port: int, done: list[str]) -> None:
    """Run every case that is not done, one after the other."""
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
    names = [n for n in unittest.defaultTestLoader.getTestCaseNames(module.Test) if n not in done]
    suite = unittest.TestSuite(map(module.Test, names))
    with contextlib.redirect_stdout(sys.stderr):
        runner = unittest.TextTestRunner(sys.stderr, verbosity=2, resultclass=_Outcomes)
        result = runner.run(suite)
    assert isinstance(result, _Outcomes)
    print(json.dumps({name: result.outcomes.get(name, "failed") for name in names}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
