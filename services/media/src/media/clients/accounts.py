"""Who media is at Google's."""

from pathlib import Path
from typing import Any


def credentials(key_file: Path, **options: Any) -> Any:
    """The service account of a key. Its own signature is its token, so nobody is asked for a log-in."""
    from google.oauth2 import service_account

    read: Any = service_account.Credentials.from_service_account_file
    return read(str(key_file), always_use_jwt_access=True, **options)
