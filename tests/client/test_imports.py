"""What the client brings along: nothing of the server."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
import alphapulse_api.client
print(*sorted(name for name in sys.modules if name.startswith("alphapulse_api.")))
"""


def test_the_client_loads_nothing_of_the_server_but_the_domain() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, check=True)
    rooms = {name.split(".")[1] for name in done.stdout.decode().split()}
    assert rooms == {"client", "domain"}
