"""The local shadow service: answers, notices, refusals, and what is kept."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from tests.support.core_shadows import Shadows, group_of, shadows_in

from hedgerow.kernel import ConfigurationError

GET, UPDATE, DELETE = (f"$aws/things/A/shadow/{verb}" for verb in ("get", "update", "delete"))
GROUP = group_of("A", "B")


def topics(published: list[tuple[str, Any]]) -> list[str]:
    return [topic for topic, _ in published]


def rejected(published: list[tuple[str, Any]]) -> tuple[str, int]:
    [(topic, body)] = published
    return topic, body["code"]


def test_an_update_is_accepted_told_and_read_back(tmp_path: Path) -> None:
    with shadows_in(tmp_path, GROUP) as shadows:
        told = shadows.update("A", desired={"on": True})
        assert topics(told) == [f"{UPDATE}/accepted", f"{UPDATE}/delta", f"{UPDATE}/documents"]
        assert told[1][1]["state"] == {"on": True}
        told = shadows.update("A", reported={"on": True})
        assert topics(told) == [f"{UPDATE}/accepted", f"{UPDATE}/documents"]
        assert told[1][1]["previous"]["version"] == 1
        [(topic, answer)] = shadows.ask(GET, {"clientToken": "t"})
        assert topic == f"{GET}/accepted"
        assert answer["state"] == {"desired": {"on": True}, "reported": {"on": True}}
        assert (answer["version"], answer["clientToken"]) == (2, "t")


def test_a_deleted_shadow_is_gone_and_its_versions_count_on(tmp_path: Path) -> None:
    with shadows_in(tmp_path, GROUP) as shadows:
        assert rejected(shadows.ask(DELETE)) == (f"{DELETE}/rejected", 404)
        shadows.update("A", desired={"on": True})
        assert topics(shadows.ask(DELETE)) == [f"{DELETE}/accepted"]
        assert rejected(shadows.ask(GET)) == (f"{GET}/rejected", 404)
        assert shadows.update("A", desired={"on": True})[0][1]["version"] == 2


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"state": {"desired": {"on": False}}, "version": 7}, 409),
        ({"state": {"desired": {"text": "x" * 9000}}}, 413),
        ({"state": 1}, 400),
        ({"other": {}}, 400),
    ],
)
def test_a_request_that_breaks_the_rules_is_rejected_and_changes_nothing(
    tmp_path: Path, body: object, code: int
) -> None:
    with shadows_in(tmp_path, GROUP) as shadows:
        shadows.update("A", desired={"on": True})
        assert rejected(shadows.ask(UPDATE, body)) == (f"{UPDATE}/rejected", code)
        assert shadows.state("A") == {"desired": {"on": True}}


def test_only_members_of_the_group_have_shadows_here(tmp_path: Path) -> None:
    with shadows_in(tmp_path, GROUP) as shadows:
        for member in ("A", "B", "core-1"):
            assert len(shadows.update(member, reported={"x": 1})) == 2
        [(topic, body)] = shadows.update("stranger", reported={"x": 1})
        assert (topic, body["code"]) == ("$aws/things/stranger/shadow/update/rejected", 404)
        assert "neither a device of this group nor its core" in body["message"]


def test_shadows_outlive_the_service_and_a_reset_forgets_them(tmp_path: Path) -> None:
    with shadows_in(tmp_path, GROUP) as shadows:
        shadows.update("A", reported={"x": 1})
    with shadows_in(tmp_path, GROUP) as shadows:
        assert shadows.state("A") == {"reported": {"x": 1}}
        shadows.local.reset()
        assert rejected(shadows.ask(GET)) == (f"{GET}/rejected", 404)
    with shadows_in(tmp_path, GROUP) as shadows:
        assert shadows.state("A") is None


def test_the_database_is_for_this_user_alone(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "shadows"
    with shadows_in(folder, GROUP) as shadows:
        shadows.update("A", reported={"x": 1})
        assert folder.stat().st_mode & 0o077 == 0
        assert all(path.stat().st_mode & 0o077 == 0 for path in folder.iterdir())


def test_a_disk_that_takes_nothing_refuses_the_update_and_keeps_the_old_state(
    tmp_path: Path,
) -> None:
    with shadows_in(tmp_path, GROUP) as shadows:
        shadows.update("A", reported={"x": 1})
        _fill_disk(shadows)
        big = {"text": "x" * 7000}
        assert rejected(shadows.update("A", reported=big)) == (f"{UPDATE}/rejected", 500)
        assert "full" in (shadows.local.problem or "")
        assert shadows.state("A") == {"reported": {"x": 1}}
        assert len(shadows.update("A", reported={"x": 2})) == 2
        assert shadows.local.problem is None


def _fill_disk(shadows: Shadows) -> None:
    """Allow the database no more pages than it has."""
    database: sqlite3.Connection = shadows.database._database
    [pages] = database.execute("PRAGMA page_count").fetchone()
    database.execute(f"PRAGMA max_page_count = {pages}")


def test_a_damaged_database_is_moved_aside(tmp_path: Path) -> None:
    (tmp_path / "shadows.db").write_bytes(b"not a database" * 1000)
    with shadows_in(tmp_path, GROUP) as shadows:
        assert "damaged" in (shadows.database.damage or "")
        assert len(shadows.update("A", reported={"x": 1})) == 2
    assert (tmp_path / "shadows.damaged").read_bytes().startswith(b"not a database")


def test_a_database_that_cannot_be_opened_is_said_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "shadows.db").mkdir()
    with pytest.raises(ConfigurationError, match=r"shadows\.db"), shadows_in(tmp_path, GROUP):
        pass


def test_one_damaged_document_does_not_hide_the_others(tmp_path: Path) -> None:
    with shadows_in(tmp_path, GROUP) as shadows:
        shadows.update("A", reported={"x": 1})
        shadows.update("B", reported={"y": 1})
        shadows.database._database.execute("UPDATE shadow SET document = '{' WHERE thing = 'A'")
        assert rejected(shadows.ask(GET)) == (f"{GET}/rejected", 500)
        assert shadows.state("B") == {"reported": {"y": 1}}
