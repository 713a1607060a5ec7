"""Which file system a folder is on: SQLite's write-ahead log needs shared memory, which network mounts do not have."""

from __future__ import annotations

from pathlib import Path

from treadle.compiler.errors import ConfigurationError

_NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "glusterfs", "lustre", "gpfs", "beegfs", "ncpfs",
     "fuse.sshfs", "fuse.glusterfs", "fuse.ceph-fuse", "fuse.s3fs", "fuse.gcsfuse", "fuse.rclone", "davfs",
     "fuse.davfs2", "fuse.juicefs", "vboxsf", "fuse.vmhgfs-fuse", "pvfs2", "orangefs"}
)  # fmt: skip
_TABLE = Path("/proc/self/mountinfo")


def file_system(folder: Path, table: str) -> str:
    r"""The type of the file system ``folder`` is on, from the text of ``/proc/self/mountinfo``; empty if unknown.

    >>> file_system(Path("/data/a"), "36 35 98:0 / / rw - ext4 /dev/sda rw\n37 35 0:4 / /data rw - nfs4 host:/ rw")
    'nfs4'
    """
    best, found = -1, ""
    for line in table.splitlines():
        left, _, right = line.partition(" - ")
        if len(left.split()) < 5 or not right:
            continue
        point = Path(left.split()[4].encode().decode("unicode_escape"))  # a space in a path is written \040
        if folder.is_relative_to(point) and len(point.parts) >= best:  # of equal ones the later mount hides the earlier
            best, found = len(point.parts), right.split()[0]
    return found


def refuse_network(folder: Path) -> None:
    """Refuse a folder on a network file system. Where the system does not say (not Linux), nothing is refused.

    Raises:
        ConfigurationError: Names the file system and what to do.
    """
    try:
        table = _TABLE.read_text()
    except OSError:
        return
    kind = file_system(folder.resolve(), table)
    if kind in _NETWORK:
        msg = (
            f"{folder} is on a network file system ({kind}), where a study could be damaged: give study= a folder on a "
            "local disk and copy it when it is done, or study=None to keep it in memory"
        )
        raise ConfigurationError(msg)
