"""Downloads of weights: https only, resumable, whole and checked or not at all."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError
from urllib.request import (
    BaseHandler,
    HTTPRedirectHandler,
    OpenerDirector,
    Request,
    build_opener,
)

from mien.errors import MienError, UsageError
from mien.hub.record import WeightRecord, is_https, lookup
from mien.hub.store import (
    cache_errors,
    fresh_path,
    install,
    path_of,
    require_licence,
    resolve,
)

Progress = Callable[[int, int | None], None]  # bytes so far, bytes in all where known

CHUNK = 1 << 20  # bytes
TIMEOUT = 30.0  # seconds without an answer
PARTIAL_CONTENT = 206


class _HttpsRedirects(HTTPRedirectHandler):
    """Follows redirects to https addresses only."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        _require_https(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def https_opener(*handlers: BaseHandler) -> OpenerDirector:
    """An opener that a redirect cannot lead away from https; ``handlers`` are added to it."""
    return build_opener(_HttpsRedirects, *handlers)


def terms(record: WeightRecord) -> str:
    """The licence of a weight in one line, as shown before a download."""
    use = "commercial use allowed" if record.commercial else "no commercial use"
    return f"{record.name}: licence {record.licence} ({use}), from {record.origin}"


def get(
    name: str,
    accept_licence: bool = False,
    *,
    opener: OpenerDirector | None = None,
    progress: Progress | None = None,
) -> Path:
    """Downloads the weight ``name`` into the cache and returns its place there.

    A sound file that is there already is not fetched again. A broken download goes on where it
    stopped when it is called again, if the record has a hash to check the whole with. Raises
    UsageError where the licence is not accepted, and MienError where the weight has no address,
    the download fails or the file is not the recorded one.
    """
    record = lookup(name)
    require_licence(record)
    try:
        return resolve(name)
    except MienError:
        if record.bundled:
            raise  # only a new installation brings a bundled file back
    if record.url is None:
        raise MienError(
            f"weight {name} has no download address; add your copy with"
            f" `mien weights add {name} FILE` (origin: {record.origin})"
        )
    if not accept_licence:
        raise UsageError(f"{terms(record)}; say --accept-licence to accept it and download")
    with cache_errors(record):
        return _get(record, record.url, opener or https_opener(), progress)


def _get(record: WeightRecord, url: str, opener: OpenerDirector, progress: Progress | None) -> Path:
    part = fresh_path(record)
    if record.sha256:  # only a hash can tell a whole file from two halves of different ones
        part = path_of(record).with_name(f".{record.file}.part")
    try:
        _fetch(url, part, record.bytes, opener, progress)
    except BaseException:
        if not record.sha256:
            part.unlink(missing_ok=True)
        raise
    try:
        return install(record, part, shown=Path(record.file))
    finally:
        part.unlink(missing_ok=True)


def _fetch(
    url: str, part: Path, size: int | None, opener: OpenerDirector, progress: Progress | None
) -> None:
    """Writes what ``url`` gives to ``part``, going on from what ``part`` holds already."""
    done = part.stat().st_size if part.exists() else 0
    if size is not None and done >= size:
        return
    with _network_errors(url):
        answer = opener.open(_request(url, done), timeout=TIMEOUT)
    with answer:
        if not _continues(answer, done):
            done = 0
        total = size if size is not None else _length(answer)
        with part.open("ab" if done else "wb") as out:
            while chunk := _read(answer, url):
                out.write(chunk)
                done += len(chunk)
                if progress:
                    progress(done, total)
                if total is not None and done > total:
                    return  # too long: the check of the whole refuses it
    if total is not None and done < total:
        raise MienError(f"{url}: stopped after {done} of {total} bytes; try again to go on")


def _request(url: str, start: int) -> Request:
    _require_https(url)
    request = Request(url, headers={"User-Agent": "mien"})
    if start:
        request.add_header("Range", f"bytes={start}-")
    return request


def _require_https(url: str) -> None:
    if not is_https(url):
        raise MienError(f"{url}: refused: weights are downloaded over https only")


def _continues(answer: Any, start: int) -> bool:
    """Whether the server sends the rest from ``start`` on, rather than the whole file."""
    span = answer.headers.get("Content-Range", "")
    return answer.status == PARTIAL_CONTENT and span.startswith(f"bytes {start}-")


def _length(answer: Any) -> int | None:
    length = answer.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None


def _read(answer: Any, url: str) -> bytes:
    with _network_errors(url):
        return answer.read(CHUNK)


@contextmanager
def _network_errors(url: str) -> Iterator[None]:
    """Turns what the network layer raises into one clear line that names the address."""
    try:
        yield
    except HTTPError as error:
        raise MienError(f"{url}: the server answers {error.code} {error.reason}") from error
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise MienError(f"{url}: download failed: {reason}; try again to go on") from error
