"""`plekvrij backup` and `plekvrij restore`: the data folder of a site as one file, taken while the site runs.

Each database is copied by SQLite itself inside one read transaction (`VACUUM INTO`): writers go on meanwhile, and the
copy is the state of one instant. Every copy is checked before the file is given its name. Secrets (credentials of the
broker, keys, passwords) and logs are not in it.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Literal

import msgspec

from plekvrij import __version__, sqlite_driver
from workplace.errors import SettingInvalid

_MANIFEST = "manifest.json"
#: A name in an archive comes from outside: it can only lie inside the folder.
_SAFE_NAME = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]*/)*[A-Za-z0-9_-][A-Za-z0-9._-]*")
#: What the pages keep beside the databases.
_FOLDERS = ("walks", "policies", "taps", "screens", "plans", "backgrounds", "actions")
_CHUNK = 1 << 20
_BUSY_MS = 30_000


class _Entry(msgspec.Struct, frozen=True):
    name: str
    bytes: int
    sha256: str


class _Manifest(msgspec.Struct, frozen=True, tag="plekvrij-backup", tag_field="kind"):
    made_at: datetime
    made_by: str
    files: tuple[_Entry, ...]
    format: Literal[1] = 1


def backup(data: Path, out: Path, documents: tuple[Path, ...] = ()) -> list[str]:
    """Write the databases of `data`, what its pages keep and the documents into the new file `out`; return the names.

    Raises:
        SettingInvalid: nothing to copy, `out` exists, a database is damaged, or a file cannot be read or written.
    """
    if not (data / "site.db").is_file():
        raise SettingInvalid(
            f"{data} holds no site.db; --data names the folder that `plekvrij serve` was given"
        )
    if out.exists():
        raise SettingInvalid(f"{out} exists; give a file that does not, so that no older backup is lost")
    with _said(out), tempfile.TemporaryDirectory(dir=out.parent, prefix=".plekvrij-backup-") as name:
        folder = Path(name)
        names = [_copy_database(file, folder / file.name) for file in sorted(data.glob("*.db"))]
        names += [
            _copy(file, folder / part / file.name, folder)
            for part in _FOLDERS
            for file in sorted((data / part).glob("*"))
        ]
        names += [_copy(file, folder / "documents" / file.name, folder) for file in documents]
        entries = tuple(_entry(folder / one, one) for one in names)
        manifest = _Manifest(made_at=datetime.now(UTC), made_by=f"plekvrij {__version__}", files=entries)
        packed = folder / "packed"
        _pack(packed, msgspec.json.encode(manifest), folder, names)
        os.link(packed, out)  # unlike a rename it never replaces a file
        _flush(out.parent)
    return names


def restore(file: Path, data: Path) -> list[str]:
    """Unpack and verify `file`, and make it the new folder `data`, whole or not at all; return the names of its files.

    Raises:
        SettingInvalid: `data` holds something, or the file is no whole backup.
    """
    if data.exists() and (not data.is_dir() or any(data.iterdir())):
        raise SettingInvalid(f"{data} is not empty; stop the site, move the folder aside and try again")
    with _said(file):
        data.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=data.parent, prefix=".plekvrij-restore-") as name:
            folder = Path(name) / "data"
            folder.mkdir(mode=0o700)
            names = _unpack(file, folder)
            for one in names:
                if one.endswith(".db"):
                    _check(folder / one)
            if data.exists():
                data.rmdir()
            folder.rename(data)
        _flush(data.parent)
    return names


def _copy_database(source: Path, target: Path) -> str:
    connection = sqlite_driver.connect(source.resolve().as_uri() + "?mode=ro", uri=True, isolation_level=None)
    try:
        connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
        connection.execute("VACUUM INTO ?", (str(target),))
    except Exception as error:
        raise SettingInvalid(f"{source} cannot be copied: {error}") from error
    finally:
        connection.close()
    target.chmod(0o600)
    _check(target)
    return target.name


def _check(database: Path) -> None:
    connection = sqlite_driver.connect(str(database))
    try:
        found = [row[0] for row in connection.execute("PRAGMA integrity_check(3)")]
    except Exception as error:
        raise SettingInvalid(f"{database.name} is damaged: {error}") from error
    finally:
        connection.close()
    if found != ["ok"]:
        raise SettingInvalid(f"{database.name} is damaged: {'; '.join(found)}")


def _copy(source: Path, target: Path, folder: Path) -> str:
    target.parent.mkdir(exist_ok=True)
    if target.exists():
        raise SettingInvalid(f"two files are called {source.name}; give one of them another name")
    target.write_bytes(source.read_bytes())
    name = str(target.relative_to(folder))
    if not _SAFE_NAME.fullmatch(name):
        raise SettingInvalid(f"{source}: use A-Z a-z 0-9 . _ and - in the name of a file")
    return name


def _entry(file: Path, name: str) -> _Entry:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(_CHUNK):
            digest.update(block)
    return _Entry(name, file.stat().st_size, digest.hexdigest())


def _pack(packed: Path, manifest: bytes, folder: Path, names: list[str]) -> None:
    with packed.open("xb") as stream:
        packed.chmod(0o600)
        with tarfile.open(fileobj=stream, mode="w:gz", compresslevel=1) as archive:
            archive.addfile(_member(_MANIFEST, len(manifest)), io.BytesIO(manifest))
            for name in names:
                with (folder / name).open("rb") as content:
                    archive.addfile(_member(name, (folder / name).stat().st_size), content)
        stream.flush()
        os.fsync(stream.fileno())


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    return member


def _unpack(file: Path, folder: Path) -> list[str]:
    with tarfile.open(file, mode="r|gz") as archive:
        members = iter(archive)
        manifest = _read_manifest(file, archive, next(members, None))
        for entry, member in zip(manifest.files, members, strict=True):
            stream = archive.extractfile(member) if member.isreg() and member.name == entry.name else None
            if stream is None:
                raise SettingInvalid(f"{file} is no whole backup: {entry.name} is not where it should be")
            _write(stream, folder / entry.name, entry)
    return [entry.name for entry in manifest.files]


def _read_manifest(file: Path, archive: tarfile.TarFile, first: tarfile.TarInfo | None) -> _Manifest:
    stream = archive.extractfile(first) if first is not None and first.name == _MANIFEST else None
    if stream is None:
        raise SettingInvalid(f"{file} was not written by `plekvrij backup`")
    manifest = msgspec.json.decode(stream.read(_CHUNK), type=_Manifest)
    for entry in manifest.files:
        if not _SAFE_NAME.fullmatch(entry.name):
            raise SettingInvalid(f"{file} holds the name {entry.name!r}, which no backup has")
    return manifest


def _write(stream: IO[bytes], target: Path, entry: _Entry) -> None:
    target.parent.mkdir(mode=0o700, exist_ok=True)
    digest = hashlib.sha256()
    with target.open("xb") as written:
        while block := stream.read(_CHUNK):
            digest.update(block)
            written.write(block)
        written.flush()
        os.fsync(written.fileno())
    target.chmod(0o600)
    if digest.hexdigest() != entry.sha256:
        raise SettingInvalid(f"{entry.name} in the backup is damaged; use an older one")


def _flush(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _said(file: Path) -> Iterator[None]:
    """Say in one sentence what went wrong with `file`."""
    damage: tuple[Any, ...] = (tarfile.TarError, EOFError, ValueError, msgspec.MsgspecError)
    try:
        yield
    except OSError as error:
        raise SettingInvalid(f"{error.filename or file}: {error.strerror or error}") from error
    except damage as error:
        raise SettingInvalid(f"{file} is no whole backup: {error}") from error
