"""Coverage-guided fuzzing: `python -m bench.fuzz.coverage codec|paths [libFuzzer's options…]`.

It needs atheris (`pip install -r requirements/fuzz.in`). A finding ends it, and its bytes are
written to a file `crash-…`, which belongs into `tests/golden/mqtt-fuzz/TARGET`.
"""

import sys

try:
    import atheris  # type: ignore[import-untyped] # not among what development needs
except ImportError:
    sys.exit("atheris is not installed: pip install -r requirements/fuzz.in")

with atheris.instrument_imports(include=["hedgerow.mqtt"]):
    from bench.fuzz import codec, paths

_TARGETS = {"codec": codec.check, "paths": paths.check}


def main() -> None:
    """Fuzz until something is found or libFuzzer's options say that it is enough."""
    name, *options = sys.argv[1:] or [""]
    if name not in _TARGETS:
        sys.exit(f"name one of {', '.join(_TARGETS)}")
    atheris.Setup([sys.argv[0], *options], _TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
