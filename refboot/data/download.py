"""Fetches one gzip file from the first mirror that has it right."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import io
import os
import secrets
import urllib.request
import zlib
from collections.abc import Sequence
from pathlib import Path

from refboot.errors import FormatError, TypeMismatchError

MAX_PACKED = 32 << 20
MAX_UNPACKED = 64 << 20
TIMEOUT = 30.0
FAILURES = (OSError, EOFError, ValueError, zlib.error, http.client.HTTPException)


def fetch(name: str, sha256: str, folder: Path, mirrors: Sequence[str]) -> Path:
    """Download `name` (a gzip file) into `folder` from the first mirror whose copy has the right
    contents; its path.

    `sha256` is the hex digest of the unpacked contents, because mirrors pack them differently. The
    file appears complete and verified, or not at all. Raises TypeMismatchError for mirrors that are
    no list of addresses, FormatError with each mirror tried and what went wrong there.
    """
    if isinstance(mirrors, str) or not all(isinstance(mirror, str) for mirror in mirrors):
        raise TypeMismatchError("mirrors", repr(mirrors), "a sequence of addresses (str)")
    failures = []
    for mirror in mirrors:
        address = f"{mirror.rstrip('/')}/{name}"
        try:
            data = _verified(address, sha256)
        except FAILURES as error:
            failures.append(f"{address}: {error}")
        else:
            return _write(folder, name, data)
    tried = "; ".join(failures) or "no mirror given"
    raise FormatError(
        name, f"not to be had from any mirror ({tried})", "one mirror with a right copy"
    )


def _verified(address: str, sha256: str) -> bytes:
    """The bytes at `address` when they unpack to contents of the digest `sha256`; raises one of
    FAILURES.
    """
    with urllib.request.urlopen(address, timeout=TIMEOUT) as reply:
        data: bytes = reply.read(MAX_PACKED + 1)
    if len(data) > MAX_PACKED:
        raise ValueError(f"more than {MAX_PACKED} bytes")
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
        contents = stream.read(MAX_UNPACKED + 1)
    digest = hashlib.sha256(contents).hexdigest()
    if digest != sha256:
        raise ValueError(f"contents have SHA-256 {digest}, expected {sha256}")
    return data


def _write(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    part = folder / f".{name}.{secrets.token_hex(4)}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            part.write_bytes(data)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise FormatError(
            str(path), f"not writable ({error})", "a place for the downloaded file"
        ) from error
    return path
