"""The watch on commits of other connections, by a clock of the test's own."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from alphapulse_api.storage.sqlite.commit_watch import INTERVAL_SECONDS, CommitWatch


class Watched:
    """A file with a watched connection and another one."""

    def __init__(self, own: sqlite3.Connection, other: sqlite3.Connection) -> None:
        self.own = own
        self.other = other
        self.now = 100.0
        self.notified = 0
        self.watch = CommitWatch(own, self._notify, lambda: self.now)

    def _notify(self) -> None:
        self.notified += 1

    def pass_seconds(self, seconds: float) -> None:
        """Let time pass, then do what the owner of the connection does at its end."""
        self.now += seconds
        self.watch.look_if_due()


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    path = tmp_path / "store.db"
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as own,
        closing(sqlite3.connect(path, isolation_level=None)) as other,
    ):
        own.execute("PRAGMA journal_mode = WAL")
        own.execute("CREATE TABLE t (x)")
        yield Watched(own, other)


def test_it_looks_at_least_four_times_a_second() -> None:
    assert INTERVAL_SECONDS <= 0.25


def test_a_commit_of_another_connection_is_noticed_by_the_next_look_and_once(
    watched: Watched,
) -> None:
    watched.pass_seconds(INTERVAL_SECONDS)
    assert watched.notified == 0
    watched.other.execute("INSERT INTO t VALUES (1)")
    watched.pass_seconds(INTERVAL_SECONDS - 0.001)
    assert watched.notified == 0
    watched.pass_seconds(0.001)
    assert watched.notified == 1
    watched.pass_seconds(10 * INTERVAL_SECONDS)
    assert watched.notified == 1


def test_commits_of_the_connection_itself_are_not_noticed(watched: Watched) -> None:
    watched.own.execute("INSERT INTO t VALUES (1)")
    watched.pass_seconds(INTERVAL_SECONDS)
    assert watched.notified == 0


def test_a_commit_that_the_connection_has_already_read_is_noticed(watched: Watched) -> None:
    watched.other.execute("INSERT INTO t VALUES (1)")
    watched.own.execute("INSERT INTO t VALUES (2)")
    watched.pass_seconds(INTERVAL_SECONDS)
    assert watched.notified == 1


def test_work_between_two_looks_does_not_put_the_next_one_off(watched: Watched) -> None:
    assert watched.watch.seconds_left == pytest.approx(INTERVAL_SECONDS)
    watched.pass_seconds(0.8 * INTERVAL_SECONDS)
    assert watched.watch.seconds_left == pytest.approx(0.2 * INTERVAL_SECONDS)
    watched.pass_seconds(INTERVAL_SECONDS)  # a commit that took long
    assert watched.watch.seconds_left == pytest.approx(INTERVAL_SECONDS)
    watched.now += 5 * INTERVAL_SECONDS
    assert watched.watch.seconds_left == 0


def test_a_file_that_cannot_be_read_is_noticed_at_each_look(watched: Watched) -> None:
    watched.own.close()
    watched.pass_seconds(INTERVAL_SECONDS)
    watched.pass_seconds(INTERVAL_SECONDS)
    assert watched.notified == 2
