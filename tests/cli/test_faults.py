"""What the command line cannot do is one clear line on standard error, and no traceback."""

from __future__ import annotations

import socket
import sqlite3
import subprocess
from pathlib import Path

import yaml

from tests.commands import Here, run

PASSWORD = "a password of the tests"
SECRET = "hush-" * 10


def test_account_commands_say_what_is_wrong(here: Here) -> None:
    add = ("user", "add", "ann", "--password-stdin")
    admin = ("user", "add", "admin", "--role", "admin", "--password-stdin")
    assert here(*admin, stdin="long enough\n").returncode == 0
    boss = ("user", "add", "boss", "--role", "admin", "--book", "main", "--password-stdin")
    assert here(*add, stdin="long enough\n").returncode == 0
    for args, stdin, word in (
        (add, "long enough\n", "already"),
        (("user", "add", "bob", "--password-stdin"), "short\n", "8 to 1024"),
        (("user", "add", "a b", "--password-stdin"), "long enough\n", "white space"),
        (("user", "passwd", "bob", "--password-stdin"), "long enough\n", "no user 'bob'"),
        (("user", "disable", "bob"), "", "no user 'bob'"),
        (boss, "long enough\n", "admin cannot be limited"),
        (("user", "books", "bob", "--all"), "", "no user 'bob'"),
        (("user", "books", "ann"), "", "--all"),
        (("user", "books", "ann", "--all", "--book", "main"), "", "--all"),
        (("user", "books", "admin", "--book", "main"), "", "admin cannot be limited"),
        (("api-key", "create", "k", "--scope", "manage"), "", "manage"),
        (("api-key", "create", "k", "--expires", "soon"), "", "90d"),
        (("api-key", "revoke", "nothing"), "", "nothing"),
        # As Python takes arguments and lines that are not UTF-8.
        (("user", "add", "\udcff", "--password-stdin"), "long enough\n", "user name"),
        (("user", "add", "bob", "--password-stdin"), "long \udcff enough\n", "UTF-8"),
        (("user", "passwd", "\udcff", "--password-stdin"), "long enough\n", "no user"),
        (("user", "disable", "\udcff"), "", "no user"),
        (("api-key", "create", "\udcff"), "", "name"),
        (("api-key", "revoke", "\udcff"), "", "no live API key"),
    ):
        _one_line(here(*args, stdin=stdin), word)


def _one_line(result: subprocess.CompletedProcess[str], *words: str) -> None:
    assert result.returncode == 1, result
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("alphapulse_api: ")
    for word in words:
        assert word in line


def test_options_before_a_command_are_not_silently_lost(tmp_path: Path, here: Here) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("dashboard_api: {database: {url: 'sqlite:///other.db'}}")
    result = here("--config", str(config), "user", "list")
    assert result.returncode == 2
    assert "after the command" in result.stderr
    assert not (tmp_path / "alphapulse.db").exists()


def test_config_check_masks_every_secret(tmp_path: Path, here: Here) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(f"""
dashboard_api:
  auth: {{jwt_secret: "${{JWT}}"}}
  cache: {{type: redis, redis_url: "redis://user:{SECRET}@cache:6379/0"}}
  database: {{url: "postgresql://ann:{SECRET}@db/x"}}
""")
    for args, env in ((["config", "check", str(config)], {}),
                      (["config", "check"], {"AP_CONFIG": str(config)})):  # fmt: skip
        result = here(*args, JWT=SECRET, **env)
        # Nothing of it is there: neither is opened.
        assert (result.returncode, result.stderr) == (0, "")
        shown = yaml.safe_load(result.stdout)["dashboard_api"]
        assert shown["database"]["url"].startswith("postgresql://ann:")
        assert shown["cache"]["redis_url"] == "redis://user:********@cache:6379/0"
        assert SECRET not in result.stdout + result.stderr
    _one_line(here("config", "check", str(config)), "auth.jwt_secret", "JWT")
    config.write_text('dashboard_api: {auth: {jwt_secret: "${JWT}"}}')
    result = here("config", "check", str(config), JWT=SECRET)
    assert (result.returncode, result.stderr) == (0, "")
    assert SECRET not in result.stdout


def test_config_check_reports_every_fault(tmp_path: Path, here: Here) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("dashboard_api: {prot: 1, port: x, auth: {jwt_secret: short}}")
    result = here("config", "check", str(config))
    assert (result.returncode, result.stdout) == (1, "")
    start = f"alphapulse_api: {config}: "
    assert result.stderr.splitlines() == [
        f"{start}prot: unknown key; did you mean port?",
        f"{start}port: must be an integer, not text ('x')",
        f"{start}auth.jwt_secret: must be at least 32 bytes long",
    ]


def test_config_check_reports_every_part_that_cannot_be_made(tmp_path: Path, here: Here) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("""
dashboard_api:
  cache: {type: redis, redis_url: "redis://localhost:99999"}
  events: {type: redis, redis_url: "redis://localhost:88888"}
""")
    result = here("config", "check", str(config))
    assert result.returncode == 1
    assert [line.split(": ")[1] for line in result.stderr.splitlines()] == [
        "cache.redis_url",
        "events.redis_url",
    ]


def test_what_keeps_it_from_starting_is_one_line(tmp_path: Path, here: Here) -> None:
    def config(text: str) -> str:
        path = tmp_path / "broken.yaml"
        path.write_text(f"dashboard_api: {{port: 0, {text}}}")
        return str(path)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        args = ("serve", "--port", str(port))
        _one_line(run(tmp_path, *args, AP_ADMIN_PASSWORD=PASSWORD), "cannot listen", str(port))
    _one_line(here("serve", "--config", "missing.yaml"), "missing.yaml", "no such file")
    _one_line(here("serve", "--config", str(tmp_path)), str(tmp_path))
    _one_line(here("serve", AP_CONFIG="missing.yaml"), "missing.yaml")
    _one_line(here("serve", "--config", config("prot: 1")), "prot", "port")
    _one_line(here("serve", "--config", config("auth: {jwt_secret: short}")), "32")
    redis = "cache: {type: redis, redis_url: 'redis://localhost:99999'}"
    _one_line(here("serve", "--config", config(redis)), "cache.redis_url", "port")
    postgresql = "database: {url: 'postgresql://ann:pw@localhost:1/x'}"
    _one_line(here("serve", "--config", config(postgresql)), "auth.jwt_secret", "PostgreSQL")
    postgresql += f", auth: {{jwt_secret: {SECRET}}}"
    for command in ("serve", "migrate"):
        refused = here(command, "--config", config(postgresql))
        _one_line(refused, "postgresql://ann@localhost:1/x", "connection was refused")
    elsewhere = "database: {url: 'sqlite:///nowhere/x.db'}"
    _one_line(here("serve", "--config", config(elsewhere)), "nowhere")
    fresh = "database: {url: 'sqlite:///fresh.db'}"
    result = here("serve", "--config", config(fresh), AP_ADMIN_PASSWORD="short")
    _one_line(result, "AP_ADMIN_PASSWORD")


def test_other_peoples_databases_are_left_alone(tmp_path: Path, here: Here) -> None:
    foreign = sqlite3.connect(tmp_path / "alphapulse.db")
    foreign.execute("CREATE TABLE theirs (x)")
    foreign.commit()
    foreign.close()
    before = (tmp_path / "alphapulse.db").read_bytes()
    for args in (("serve", "--port", "0"), ("migrate",), ("user", "list")):
        _one_line(here(*args), "alphapulse.db")
    assert (tmp_path / "alphapulse.db").read_bytes() == before
    (tmp_path / "alphapulse.db").write_text("no database at all, " * 100)
    _one_line(run(tmp_path, "serve", "--port", "0"), "alphapulse.db")


def test_a_newer_database_is_left_alone(tmp_path: Path, here: Here) -> None:
    made = here("migrate")
    assert (made.returncode, made.stdout.count("alphapulse.db")) == (0, 1)
    assert here("migrate").returncode == 0
    newer = sqlite3.connect(tmp_path / "alphapulse.db")
    newer.execute("PRAGMA user_version = 9999")
    newer.commit()
    newer.close()
    _one_line(here("serve", "--port", "0"), "newer")
