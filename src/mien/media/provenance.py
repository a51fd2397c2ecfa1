"""Content credentials: a signed note inside a file that says how it was made (C2PA).

What mien generates carries a manifest with the IPTC type of its digital source and the hash of the
file, signed with a key of this computer that is made on first use. It says "made with mien, here,
and not changed since"; who owns the computer it does not say, since nobody vouches for the key:
other programs show such credentials as valid, but of an unknown signer.

C2PA technical specification 2.x, c2pa.org; written and checked by the project's own library.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np

import mien
from mien.errors import InputError, MienError, UsageError
from mien.media import draw
from mien.media.files import atomic, check_readable

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff", ".avif",
                      ".mp4", ".m4v", ".mov", ".wav", ".mp3", ".flac"})  # fmt: skip
"""Files that can carry credentials."""

IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
VALID_YEARS = 10
UNTRUSTED = "signingCredential.untrusted"  # true of every key that no list of trust has
LABEL = "c2pa.actions"
KEY = "signer.pem"
WITHOUT_THUMBNAIL = {"builder": {"thumbnail": {"enabled": False}}}
MARK = "synthetic"
SYNTHETIC = "synthetic media, made with mien"
"""The comment in generated media, which players show."""


class SourceType(StrEnum):
    """What generated media are made from: names of the IPTC list of digital source types."""

    RENDERED = "algorithmicMedia"  # drawn by rules, as the world is
    LEARNED = "trainedAlgorithmicMedia"  # by a network that learned from examples
    COMPOSITE = "compositeSynthetic"  # of parts, one of them synthetic: a photo that moves


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the credentials of a file say.

    intact: the file is as it was signed. by_us: signed with the key of this computer. problems:
    the specification's codes of what is wrong. source: a name of the IPTC list, or "".
    """

    intact: bool
    by_us: bool
    signer: str
    made_by: str
    source: str
    what: str
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Generated:
    """How a file came to be that shows what never was, and how it says so.

    what: was done, in a few words. signed: by content credentials. marked: by a word in the corner
    of every picture.
    """

    source: SourceType
    what: str
    signed: bool = True
    marked: bool = False

    def seen(self, image: np.ndarray) -> np.ndarray:
        """The picture (H, W, 3) uint8 as it is shown: with the word in its corner, if marked."""
        return draw.marked(image, MARK) if self.marked else image

    def sign(self, path: str | Path) -> None:
        """Sign a finished file, if it is to be signed; raises what :func:`sign` raises."""
        if self.signed:
            sign(path, self.source, self.what)

    def check(self, path: str | Path) -> None:
        """UsageError for a file to be signed whose kind cannot carry credentials."""
        if self.signed and Path(path).suffix.lower() not in SUFFIXES:
            raise UsageError(f"{path}: files of this kind carry no content credentials; choose "
                             "another, or --no-credentials")  # fmt: skip


def sign(path: str | Path, source: SourceType, what: str) -> None:
    """Put credentials into a finished file, which is replaced whole.

    what: was done, in a few words, as "a photo set in motion".

    Raises MienError when the file or the key cannot be written or signing fails.
    """
    import c2pa

    path = Path(path)
    with (
        _refused(path),
        atomic(path) as temporary,
        c2pa.Context.from_dict(WITHOUT_THUMBNAIL) as context,
        c2pa.Signer.from_info(_signer()) as signer,
        c2pa.Builder(_manifest(source, what), context) as made,
    ):
        made.sign_file(str(path), str(temporary), signer)


def read(path: str | Path) -> Credentials | None:
    """The credentials of a file; None when it has none.

    Raises InputError when the file cannot be read, or is of a kind that has no credentials.
    """
    import c2pa

    check_readable(path)
    try:
        with c2pa.Reader(str(path)) as reader:
            found = json.loads(reader.json())
    except c2pa.C2paError as error:
        reason = str(error)
        if reason.startswith("ManifestNotFound"):
            return None
        if reason.startswith("NotSupported"):
            reason = "files of this kind carry none"
        raise InputError(f"{path}: no content credentials can be read: {reason}") from error
    return _credentials(found)


def _credentials(found: dict[str, Any]) -> Credentials:
    manifest = found["manifests"][found["active_manifest"]]
    problems = [status["code"] for status in found.get("validation_status", ())]
    signature, maker = manifest.get("signature_info", {}), manifest.get("claim_generator_info", ())
    first = _first_action(manifest)
    return Credentials(
        intact=not [code for code in problems if code != UNTRUSTED],
        by_us=signature.get("cert_serial_number") == _own_serial(),
        signer=str(signature.get("common_name") or signature.get("issuer") or "unknown"),
        made_by=" ".join(str(maker[0][key]) for key in ("name", "version") if key in maker[0])
        if maker else "unknown",
        source=str(first.get("digitalSourceType", "")).removeprefix(IPTC),
        what=str(first.get("description", "")),
        problems=tuple(problems),
    )  # fmt: skip


def _first_action(manifest: dict[str, Any]) -> dict[str, Any]:
    for assertion in manifest.get("assertions", ()):
        if str(assertion.get("label", "")).startswith(LABEL):
            actions = assertion.get("data", {}).get("actions") or [{}]
            return actions[0]
    return {}


def _manifest(source: SourceType, what: str) -> str:
    maker = {"name": "mien", "version": mien.__version__}
    action = {
        "action": "c2pa.created",
        "digitalSourceType": IPTC + source,
        "softwareAgent": maker,
        "description": what,
    }
    assertion = {"label": f"{LABEL}.v2", "data": {"actions": [action]}}
    return json.dumps({"claim_generator_info": [maker], "assertions": [assertion]})


# -- the key ---------------------------------------------------------------------------------------


def folder() -> Path:
    """Where the key lies: $MIEN_HOME, else ``mien`` in $XDG_CONFIG_HOME or ~/.config."""
    chosen = os.environ.get("MIEN_HOME")
    if chosen:
        return Path(chosen).expanduser() / "credentials"
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "mien" / "credentials"


def _signer() -> Any:
    import c2pa

    file = folder() / KEY
    if not file.is_file():
        _make_key(file)
    secret, chain = _key(file)
    # ta_url: no time stamp authority is asked, since mien works without a network.
    return c2pa.C2paSignerInfo(alg=b"es256", sign_cert=chain, private_key=secret, ta_url=None)


def _own_serial() -> str | None:
    from cryptography import x509

    file = folder() / KEY
    if not file.is_file():
        return None
    return str(x509.load_pem_x509_certificates(_key(file)[1])[0].serial_number)


def _key(file: Path) -> tuple[bytes, bytes]:
    """The secret key and the certificates; MienError when the file is not what was written."""
    from cryptography import x509

    try:
        secret, begin, rest = file.read_bytes().partition(b"-----BEGIN CERTIFICATE-----")
        x509.load_pem_x509_certificates(begin + rest)
    except OSError as error:
        raise MienError(f"{file}: {error.strerror}") from error
    except ValueError as error:
        raise MienError(f"{file}: a damaged key; remove it, and another is made") from error
    return secret, begin + rest


def _make_key(file: Path) -> None:
    """A key, its certificate, and that of the authority that vouches for it and is forgotten.

    The library takes no certificate that signs itself, so there are two; the authority's key is
    not kept, so nothing else can ever be signed in its name.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    authority, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    chain = [_certificate(key, authority, False), _certificate(authority, authority, True)]
    public = b"".join(one.public_bytes(serialization.Encoding.PEM) for one in chain)
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise MienError(f"{file.parent}: {error.strerror}") from error
    with atomic(file) as temporary:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(secret + public)


def _certificate(key: Any, authority: Any, is_authority: bool) -> Any:
    """An X.509 certificate as section 14.5 of the specification asks for."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    def name(role: str) -> x509.Name:
        return x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "mien on this computer"),
                x509.NameAttribute(NameOID.COMMON_NAME, f"mien {role}"),
            ]
        )

    now = datetime.now(UTC)
    usage = dict.fromkeys(
        ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
         "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"), False,
    )  # fmt: skip
    usage["key_cert_sign" if is_authority else "digital_signature"] = True
    builder = (
        x509.CertificateBuilder()
        .subject_name(name("authority" if is_authority else "signer"))
        .issuer_name(name("authority"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365 * VALID_YEARS))
        .add_extension(x509.BasicConstraints(is_authority, 0 if is_authority else None), True)
        .add_extension(x509.KeyUsage(**usage), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), False
        )
    )
    if not is_authority:
        mail = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        builder = builder.add_extension(mail, False)
    return builder.sign(authority, hashes.SHA256())


@contextmanager
def _refused(path: Path) -> Iterator[None]:
    import c2pa

    try:
        yield
    except c2pa.C2paError as error:
        raise MienError(f"{path}: content credentials could not be written: {error}") from error
