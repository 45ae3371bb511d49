"""`make secrets`: new secrets for docker-compose.yml, in a file that only its owner reads. Needs Python alone."""

import base64
import os
import secrets
import sys
from pathlib import Path


class SecretsExistError(RuntimeError):
    """There are secrets already."""


def new_secrets() -> dict[str, str]:
    """A value for each variable that docker-compose.yml requires; all may stand in a URL and in an environment file."""
    return {
        "POSTGRES_PASSWORD": secrets.token_hex(32),
        "RESULTS_PASSWORD": secrets.token_hex(32),
        "REDIS_PASSWORD": secrets.token_hex(32),
        # Fernet takes exactly 32 bytes.
        "FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        # HS512 wants 64 bytes at least.
        "JWT_SECRET": secrets.token_hex(64),
        "API_SECRET_KEY": secrets.token_hex(32),
        "S3_ACCESS_KEY": secrets.token_hex(10),
        "S3_SECRET_KEY": secrets.token_hex(32),
        "ADMIN_PASSWORD": secrets.token_urlsafe(18),
    }


def write_secrets(path: Path) -> None:
    """Writes new secrets to a new file.

    Raises:
        SecretsExistError: the file is there already.
    """
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise SecretsExistError(
            f"{path} exists, and the volumes of docker-compose.yml know its passwords: remove it only together with "
            "them (docker compose down --volumes), then run `make secrets` again"
        ) from None
    with open(file, "w", encoding="utf-8") as text:
        text.writelines(f"{name}={value}\n" for name, value in new_secrets().items())


if __name__ == "__main__":
    try:
        write_secrets(Path(sys.argv[1]))
    except SecretsExistError as error:
        sys.exit(str(error))
