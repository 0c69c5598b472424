"""What the store lets through: signed URLs, anybody's reading of public buckets, and the JSON API with a token."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import IO, Final
from urllib.parse import parse_qs, unquote

from aiohttp import web
from yarl import URL

from emulators.storage.account import READING, WRITING, Account
from emulators.storage.answers import Denied, access_denied, invalid, method_not_allowed, no_such_key, unavailable
from emulators.storage.backend import Backend, chunks_of
from emulators.storage.objects import Allowed, Place, collect, name_told, shelf
from emulators.storage.signatures import Asked, is_signed, require_signature

API: Final = ("/storage/v1/", "/upload/storage/v1/", "/download/storage/v1/")
SAFE: Final = {"GET", "HEAD"}
DEFAULT_TYPE: Final = "application/octet-stream"
CHUNK_BYTES: Final = 64 * 1024
TOLD: Final = (
    "Accept-Ranges",
    "Cache-Control",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Length",
    "Content-Range",
    "Content-Type",
    "ETag",
    "Last-Modified",
    "X-Goog-Generation",
    "X-Goog-Hash",
)
"""Headers of the store's answer that its clients get to see."""

OVERRIDES: Final = {"response-content-type": "Content-Type", "response-content-disposition": "Content-Disposition"}
"""Parameters of a signed URL that replace headers of the answer."""

CONDITIONS: Final = ("Range", "If-None-Match", "If-Modified-Since", "Accept-Encoding")
UNAUTHORIZED: Final = {"error": {"code": 401, "message": "Invalid Credentials", "status": "UNAUTHENTICATED"}}


class Door:
    def __init__(
        self, account: Account, backend: Backend, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._account = account
        self._backend = backend
        self._now = now

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Every request comes through here."""
        try:
            return await self._answer(request)
        except Denied as denied:
            return denied.response()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        asked = _asked(request)
        if asked.path == "/health":
            return web.Response(text="ok")
        if asked.path.startswith(API):
            return await self._api(request, asked)
        place = Place.of(asked.path)
        if is_signed(asked.query):
            require_signature(asked, self._account, self._now())
        elif not (place.is_public and asked.method in SAFE):
            raise access_denied("Anonymous caller does not have access to the Google Cloud Storage object.")
        if asked.method == "PUT":
            return await self._put(request, asked, place)
        if asked.method not in SAFE:
            raise method_not_allowed()
        return await self._get(request, asked, place)

    async def _put(self, request: web.BaseRequest, asked: Asked, place: Place) -> web.Response:
        allowed = Allowed.by(asked.headers)
        generation = asked.headers.get("x-goog-if-generation-match")
        if generation is not None and not generation.isdecimal():
            raise invalid("x-goog-if-generation-match is a number")
        if request.content_length is not None:
            allowed.require(request.content_length)
        with shelf() as file:
            size = await collect(request.content.iter_chunked(CHUNK_BYTES), allowed, file)
            content_type = asked.headers.get("content-type", DEFAULT_TYPE)
            stored = await self._backend.store(place, file, size, content_type, generation)
        headers = {"ETag": f'"{stored["etag"]}"', "X-Goog-Generation": stored["generation"]}
        return web.Response(headers=headers)

    async def _get(self, request: web.BaseRequest, asked: Asked, place: Place) -> web.StreamResponse:
        headers = {name: request.headers[name] for name in CONDITIONS if name in request.headers}
        target = URL(f"/download/storage/v1{place.path}?alt=media", encoded=True)
        async with self._backend.asks(asked.method, target, headers) as answer:
            if answer.status == HTTPStatus.NOT_FOUND:
                raise no_such_key()
            if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                raise unavailable()
            told = {name: answer.headers[name] for name in TOLD if name in answer.headers}
            query = parse_qs(asked.query)
            told |= {header: query[name][0] for name, header in OVERRIDES.items() if name in query}
            passed = web.StreamResponse(status=answer.status, headers=told)
            await passed.prepare(request)
            async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
                await passed.write(chunk)
            return passed

    async def _api(self, request: web.BaseRequest, asked: Asked) -> web.StreamResponse:
        """What Google's client library says, passed on once its token is known to be good."""
        scheme, _, token = asked.headers.get("authorization", "").partition(" ")
        scopes = READING if asked.method in SAFE else WRITING
        if scheme.lower() != "bearer" or not self._account.accepts(token, scopes):
            return web.json_response(UNAUTHORIZED, status=HTTPStatus.UNAUTHORIZED)
        headers = {name: request.headers[name] for name in (*CONDITIONS, "Content-Type") if name in request.headers}
        target = URL(request.raw_path, encoded=True)
        with shelf() as file:
            size = await collect(request.content.iter_chunked(CHUNK_BYTES), Allowed(), file)
            _require_inside(asked, file)
            body = chunks_of(file) if size else None
            async with self._backend.asks(asked.method, target, headers | _length(asked.method, size), body) as answer:
                told = {name: answer.headers[name] for name in TOLD if name in answer.headers}
                passed = web.StreamResponse(status=answer.status, headers=told)
                await passed.prepare(request)
                async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
                    await passed.write(chunk)
                return passed


def _asked(request: web.BaseRequest) -> Asked:
    path, _, query = request.raw_path.partition("?")
    names = {name.lower() for name in request.headers}
    headers = {name: ",".join(request.headers.getall(name)) for name in names}
    return Asked(request.method, path, query, headers)


def _require_inside(asked: Asked, body: IO[bytes]) -> None:
    """As in `Place`: no name may lead out of its bucket's folder, whether it stands in path, query or body."""
    query = parse_qs(asked.query)
    names = [unquote(asked.path), *query.get("name", [])]
    if query.get("uploadType", ["media"]) != ["media"]:
        names.append(name_told(body))
    if any({".", ".."} & set(name.split("/")) for name in names):
        raise invalid("Invalid object name")


def _length(method: str, size: int) -> dict[str, str]:
    return {} if method in SAFE else {"Content-Length": str(size)}
