"""The service account that signs for the object store on a laptop: a key file of the kind that Google issues."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Final

PROJECT: Final = "packhouse-local"
EMAIL: Final = f"media@{PROJECT}.iam.gserviceaccount.com"
KEY_BITS: Final = 2_048
NOWHERE: Final = "https://oauth2.invalid/token"
"""Google's clients want the address; tokens are signed with the key itself, so nobody asks there."""


def storage_account_path(directory: Path) -> Path:
    return directory / "storage-account.json"


def ensure_storage_account(directory: Path) -> Path:
    """Made once; doing it again changes nothing."""
    path = storage_account_path(directory)
    if not path.exists():
        directory.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(_account(), indent=2) + "\n")
        fresh.replace(path)
    return path


def _account() -> dict[str, str]:
    return {
        "type": "service_account",
        "project_id": PROJECT,
        "private_key_id": secrets.token_hex(20),
        "private_key": _private_key(),
        "client_email": EMAIL,
        "token_uri": NOWHERE,
    }


def _private_key() -> str:
    """RSA, which is what the signatures of URLs are made with; as PEM."""
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = rsa.generate_private_key(public_exponent=65_537, key_size=KEY_BITS)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
