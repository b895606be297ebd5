"""Clients in more languages, generated as docs/clients.md says, compile, store and read a refusal.

They run in an environment of their own, `tox -e languages`; what Debian brings is in tox.ini.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from tests.clients.test_generated import PAGE, generated_by
from tests.clients.toolbox import HERE, Toolbox
from tests.code_blocks import code_blocks
from tests.conftest import Server

pytestmark = [pytest.mark.languages, pytest.mark.timeout(300)]

JAVA = Path("/usr/share/java")
# The generator has Jackson inside, the only jar with it that is on a package index.
JARS = (
    *HERE.glob(".venv/lib/python3*/site-packages/openapi_generator_cli/openapi-generator.jar"),
    JAVA / "httpmime.jar",
    JAVA / "geronimo-annotation-1.3-spec.jar",  # the package javax.annotation
)
AUTOLOAD = """<?php
require "GuzzleHttp/autoload.php";
spl_autoload_register(function ($name) {
    [, $path] = explode("\\\\", $name, 2);
    require "alphapulse/lib/" . str_replace("\\\\", "/", $path) . ".php";
});
"""


class Language(NamedTuple):
    """How a client is checked and run.

    Attributes:
        program: the name of the file with the code of the page.
        check: lines that compile all there is in the folder.
        run: the command that runs the program.
    """

    program: str
    check: str
    run: str


CLASSES = f"out:{':'.join(map(str, JARS))}"
LANGUAGES = {
    "java": Language(
        "Use.java",
        f"javac -nowarn -cp {CLASSES} -d out $(find alphapulse/src/main -name '*.java')",
        f"javac -nowarn -cp {CLASSES} -d out Use.java && java -cp {CLASSES} Use",
    ),
    "ruby": Language(
        "use.rb", "find alphapulse/lib -name '*.rb' | xargs -n 1 ruby -wc use.rb", "ruby use.rb"
    ),
    "php": Language(
        "use.php", "find alphapulse/lib -name '*.php' | xargs -n 1 php -l", "php use.php"
    ),
    "python": Language(
        "use.py",
        "cp -r client/alphapulse . && mypy --follow-imports=silent use.py",
        "python use.py",
    ),
}


@pytest.mark.parametrize("name", LANGUAGES)
async def test_a_client_stores_a_trade_and_reads_why_another_is_refused(
    server: Server, toolbox: Toolbox, name: str
) -> None:
    key = (await server.key("publish", "view_trades"))["X-API-Key"]
    language = LANGUAGES[name]
    toolbox.url = server.url
    (use,) = code_blocks(PAGE, f"{name}: use")
    toolbox.write("vendor/autoload.php", AUTOLOAD)
    program = use.replace("127.0.0.1:8080", server.url.split("//")[1])
    toolbox.write(language.program, program)
    await generated_by(toolbox, name)

    await toolbox.shell(language.check)
    used = await toolbox.shell(language.run, AP_API_KEY=key)
    assert used.splitlines() == ["10 AAPL at 187.20"]
    # The same id with another price.
    other = await toolbox.shell(
        f"sed -i s/187.20/1.00/ {language.program} && {language.run}", AP_API_KEY=key
    )
    assert other.startswith("409 't-7' exists already")
