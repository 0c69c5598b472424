"""What production refuses to start with."""

from pathlib import Path
from typing import Any

import pytest

from media.settings import Settings

GOOD: dict[str, Any] = {
    "environment": "production",
    "database_url": "postgresql://nobody",
    "relay_database_url": "postgresql://nobody",
    "redis_url": "redis://nobody",
    "rabbitmq_url": "amqp://nobody",
    "key_file": Path("key"),
    "trust_file": Path("trust"),
    "hmac_secret": "b7d3f0c2a49e5816" * 2,
    "identity_url": "http://identity:8000",
    "storage_key_file": Path("account.json"),
    "storage_private_bucket": "private",
    "storage_public_bucket": "public",
    "pubsub_project": "house",
    "pubsub_subscription": "objects",
}


def test_google_needs_no_address() -> None:
    settings = Settings(**GOOD)

    assert (settings.storage_url, settings.pubsub_emulator, settings.storage_public_base) == (None, None, None)


@pytest.mark.parametrize(
    "unsafe",
    [
        {"storage_url": "http://127.0.0.1:1"},
        {"storage_public_url": "http://127.0.0.1:1"},
        {"storage_public_base": "http://127.0.0.1:1/public"},
        {"pubsub_emulator": "127.0.0.1:1"},
        {"storage_public_bucket": "private"},
        {"upload_minutes": 31},
        {"upload_minutes": 4},
        {"read_minutes": 16},
    ],
)
def test_an_unsafe_store_is_refused(unsafe: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"production|differ|less than|greater than"):
        Settings(**{**GOOD, **unsafe})
