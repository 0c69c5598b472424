"""An upstream that costs next to nothing: one small JSON body, whatever is asked."""

from typing import Any

BODY = b'{"data":{"products":[],"pagination":{"next":null}}}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())]


async def answer(scope: dict[str, Any], receive: Any, send: Any) -> None:  # noqa: ARG001  an ASGI application
    """Raw ASGI: no framework."""
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": BODY})
