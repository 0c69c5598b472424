"""The secrets of a stack, made once and kept in its folder: signing keys, the trust file, one shared secret."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path

from chassis.auth import SigningKey, init_keys


def ensure_keys(directory: Path, services: Sequence[str]) -> None:
    """Whatever is missing; doing it again changes nothing."""
    init_keys(directory, services)
    if not access_key_path(directory).exists():
        SigningKey.generate().save(access_key_path(directory))
    if not _secret_path(directory).exists():
        _secret_path(directory).touch(mode=0o600)
        _secret_path(directory).write_text(secrets.token_urlsafe(48))


def access_key_path(directory: Path) -> Path:
    """Identity signs access tokens with a key of its own, which nobody trusts for anything else."""
    return directory / "identity-access.jwk.json"


def hmac_secret(directory: Path) -> str:
    """One for the whole stack; a deployment may give each service its own."""
    return _secret_path(directory).read_text().strip()


def _secret_path(directory: Path) -> Path:
    return directory / "hmac"
