"""The secrets of a stack, made once and kept in its folder: signing keys, the trust file, one shared secret."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path

from chassis.auth import SigningKey, init_keys, key_path, rotate_ring, trust_path
from chassis.clock import SystemClock
from chassis.db.roles import Roles, role_url
from packhouse.cloud import OWNER
from packhouse.processes import StackError
from packhouse.storage_account import ensure_storage_account, storage_account_path


def ensure_keys(directory: Path, services: Sequence[str]) -> None:
    """Whatever is missing; doing it again changes nothing."""
    init_keys(directory, services)
    if not access_key_path(directory).exists():
        SigningKey.generate().save(access_key_path(directory))
    if not _secret_path(directory).exists():
        _secret_path(directory).touch(mode=0o600)
        _secret_path(directory).write_text(secrets.token_urlsafe(48))
    ensure_storage_account(directory)


def write_variables(directory: Path, services: Sequence[str], database_url: str) -> None:
    """`<service>.env` for each: what a deployment hands to the processes of that service and to no other's."""
    for service in services:
        told = variables(directory, service, database_url)
        if service == OWNER:
            told["PACKHOUSE_STORAGE_KEY_FILE"] = str(storage_account_path(directory))
        path = directory / f"{service}.env"
        path.touch(mode=0o600)
        path.write_text("".join(f"{name}={value}\n" for name, value in told.items()))


def variables(directory: Path, service: str, database_url: str, *, prefix: str = "") -> dict[str, str]:
    """The secrets of one service, and its two roles at the database."""
    secret = hmac_secret(directory)
    roles = Roles.of(service, prefix)
    return {
        "PACKHOUSE_KEY_FILE": str(key_path(directory, service)),
        "PACKHOUSE_TRUST_FILE": str(trust_path(directory)),
        "PACKHOUSE_HMAC_SECRET": secret,
        "PACKHOUSE_ACCESS_KEY_FILE": str(access_key_path(directory)),
        "PACKHOUSE_DATABASE_URL": role_url(database_url, roles.app, secret),
        "PACKHOUSE_RELAY_DATABASE_URL": role_url(database_url, roles.relay, secret),
    }


def access_key_path(directory: Path) -> Path:
    """Identity signs access tokens with keys of their own, which nobody trusts for anything else."""
    return directory / "identity-access.jwk.json"


def rotate_access(directory: Path, clock: SystemClock) -> SigningKey:
    """Add a key that signs access tokens in ten minutes. Raises StackError while the last one has not begun to."""
    try:
        return rotate_ring(access_key_path(directory), now=clock.now().timestamp())
    except (OSError, ValueError) as error:
        raise StackError(str(error)) from error


def hmac_secret(directory: Path) -> str:
    """One for the whole stack; a deployment may give each service its own."""
    return _secret_path(directory).read_text().strip()


def _secret_path(directory: Path) -> Path:
    return directory / "hmac"
