"""SQLite files on network file systems are recognised and refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from alphapulse_api import Config, Dashboard
from alphapulse_api.config import DatabaseConfig
from alphapulse_api.domain.errors import StartupError
from alphapulse_api.storage.sqlite import files as sqlite_files
from alphapulse_api.storage.sqlite.files import network_type
from tests.socket_client import trade

MOUNTS = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 27 0:40 / /mnt/share rw,relatime shared:1 - nfs4 server:/export rw
31 27 0:41 / /mnt/a\\040b rw,relatime - cifs //server/share rw
32 27 0:42 / /home/me/ssh rw,relatime - fuse.sshfs me@server: rw
33 27 8:1 / /media/disk rw,relatime - fuseblk /dev/sda1 rw
34 27 0:43 / /host rw,relatime - 9p host rw
35 30 254:1 / /mnt/share/local rw,relatime - xfs /dev/vdb rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/data/alphapulse.db", None),
        ("/mnt/share/alphapulse.db", "nfs4"),
        ("/mnt/share/deep/er/alphapulse.db", "nfs4"),
        ("/mnt/share/local/alphapulse.db", None),
        ("/mnt/sharealphapulse.db", None),
        ("/mnt/a b/alphapulse.db", "cifs"),
        ("/home/me/ssh/alphapulse.db", "fuse.sshfs"),
        ("/media/disk/alphapulse.db", None),
        ("/host/alphapulse.db", "9p"),
    ],
)
def test_a_network_file_system_is_recognised(tmp_path: Path, path: str, kind: str | None) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    assert network_type(Path(path), mounts) == kind
    assert network_type(Path(path), tmp_path / "missing") is None


async def test_a_file_on_a_network_file_system_is_refused_unless_it_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_files, "network_type", lambda path: "nfs4")
    config = Config(database=DatabaseConfig(url=f"sqlite:///{tmp_path}/store.db"))
    with pytest.raises(StartupError, match=r"network file system \(nfs4\).*database.network_file"):
        async with Dashboard(config, serve=False):
            pytest.fail("it is open")
    assert not (tmp_path / "store.db").exists()
    database = DatabaseConfig(url=config.database.url, network_file=True)
    async with Dashboard(Config(database=database), serve=False) as dashboard:
        await dashboard.feed.record_trade(trade())
