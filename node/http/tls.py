"""The certificate and the key of an API that speaks TLS itself.

Rule: what cannot be used is refused by name before anything listens, and a key that others may read is not used.
"""

import ssl
from pathlib import Path

from clearing.base.errors import LocalFault
from member.codes import NodeCode
from member.keys.secret_files import check_secret_file
from node.config import Api


def tls_files(settings: Api, home: Path) -> tuple[Path, Path]:
    """Certificate and key of these settings. Raises LocalFault TLS_UNUSABLE, KEY_MISSING, KEY_PERMISSIONS."""
    certificate, key = home / settings.tls_certificate, home / settings.tls_key
    check_secret_file(key)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ValueError) as error:  # SSLError is an OSError
        raise LocalFault(NodeCode.TLS_UNUSABLE, str(certificate), key=str(key), why=str(error)) from None
    return certificate, key


def _no_password() -> bytes:
    """Instead of asking on a terminal."""
    return b""
