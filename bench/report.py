"""What a benchmark reports, and how bench/RESULTS.md is written from it."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One figure; `wanted` says what it should be, and `met` whether it is."""

    what: str
    value: str
    wanted: str = ""
    met: bool | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """The figures of one benchmark, with the method in a paragraph that lets others repeat it."""

    title: str
    method: str
    rows: tuple[Row, ...]

    @property
    def met(self) -> bool:
        """Whether every figure is what it should be."""
        return all(row.met is not False for row in self.rows)


def render(machine: str, sections: Iterable[Section]) -> str:
    """Return bench/RESULTS.md."""
    lines = [
        "# Measured speed",
        "",
        "Written by `make bench`; do not edit. Figures are of one run on one machine, with the",
        "load generators on the same machine.",
        "",
        machine,
    ]
    for section in sections:
        lines += [
            "",
            f"## {section.title}",
            "",
            section.method,
            "",
            "| | measured | wanted | |",
            "| --- | ---: | --- | --- |",
        ]
        lines += [_line(row) for row in section.rows]
    return "\n".join(lines) + "\n"


def _line(row: Row) -> str:
    met = {None: "", True: "yes", False: "**no**"}[row.met]
    return f"| {row.what} | {row.value} | {row.wanted} | {met} |"
