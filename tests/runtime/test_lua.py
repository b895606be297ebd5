"""Lua scripts: loaded from files beside the modules, joined in order, packaged."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import alphapulse_api
from alphapulse_api.runtime.lua import load_lua

PACKAGE = Path(alphapulse_api.__file__).parent
SCRIPTS = "alphapulse_api.log.redis"


def test_files_are_joined_in_the_given_order() -> None:
    script = load_lua(SCRIPTS, "common", "visit")
    assert script.index("local function check()") < script.index("local origins = check()")


def test_missing_file_is_an_error_that_names_it() -> None:
    with pytest.raises(FileNotFoundError, match=r"absent\.lua"):
        load_lua(SCRIPTS, "absent")


def test_built_package_holds_every_lua_file(tmp_path: Path) -> None:
    build = [sys.executable, "setup.py", "-q", "build", "--build-base", str(tmp_path / "build")]
    build += ["egg_info", "--egg-base", str(tmp_path)]
    subprocess.run(build, check=True, cwd=PACKAGE.parent)
    built = tmp_path / "build" / "lib"
    packed = {path.relative_to(built) for path in built.rglob("*.lua")}
    expected = {path.relative_to(PACKAGE.parent) for path in PACKAGE.rglob("*.lua")}
    assert packed == expected
    assert expected
