"""What the door says when it refuses, in the words and with the codes of Google's XML API."""

from __future__ import annotations

from http import HTTPStatus
from xml.sax.saxutils import escape

from aiohttp import web


class Denied(Exception):  # noqa: N818  an answer, not an error
    """Refuses one request. `details` says more than the message that always goes with the code."""

    def __init__(self, status: HTTPStatus, code: str, message: str, details: str = "") -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message
        self.details = details

    def response(self) -> web.Response:
        details = f"<Details>{escape(self.details)}</Details>" if self.details else ""
        text = (
            "<?xml version='1.0' encoding='UTF-8'?>"
            f"<Error><Code>{self.code}</Code><Message>{escape(self.message)}</Message>{details}</Error>"
        )
        return web.Response(status=self.status, text=text, content_type="application/xml")


def access_denied(details: str) -> Denied:
    return Denied(HTTPStatus.FORBIDDEN, "AccessDenied", "Access denied.", details)


def bad_signature(details: str) -> Denied:
    """`details` is the request as the door has read it, which shows what was signed otherwise."""
    message = "The request signature we calculated does not match the signature you provided."
    return Denied(HTTPStatus.FORBIDDEN, "SignatureDoesNotMatch", f"Access denied. {message}", details)


def expired(details: str) -> Denied:
    return Denied(HTTPStatus.BAD_REQUEST, "ExpiredToken", "The provided token has expired.", details)


def malformed(details: str) -> Denied:
    message = "Your request has a malformed header."
    return Denied(HTTPStatus.BAD_REQUEST, "MalformedSecurityHeader", message, details)


def bad_parameter(details: str) -> Denied:
    message = "The authorization query parameters that you provided are not valid."
    return Denied(HTTPStatus.BAD_REQUEST, "AuthorizationQueryParametersError", message, details)


def invalid(details: str) -> Denied:
    return Denied(HTTPStatus.BAD_REQUEST, "InvalidArgument", "Invalid argument.", details)


def too_large(most: int) -> Denied:
    message = "Your proposed upload is larger than the maximum object size specified in your Policy Document."
    details = f"Content-length exceeds upper bound on range: {most}"
    return Denied(HTTPStatus.BAD_REQUEST, "EntityTooLarge", message, details)


def too_small(least: int) -> Denied:
    message = "Your proposed upload is smaller than the minimum object size specified in your Policy Document."
    details = f"Content-length smaller than lower bound on range: {least}"
    return Denied(HTTPStatus.BAD_REQUEST, "EntityTooSmall", message, details)


def precondition_failed() -> Denied:
    message = "At least one of the pre-conditions you specified did not hold."
    return Denied(HTTPStatus.PRECONDITION_FAILED, "PreconditionFailed", message, "x-goog-if-generation-match")


def no_such_key() -> Denied:
    return Denied(HTTPStatus.NOT_FOUND, "NoSuchKey", "The specified key does not exist.")


def no_such_bucket() -> Denied:
    return Denied(HTTPStatus.NOT_FOUND, "NoSuchBucket", "The specified bucket does not exist.")


def method_not_allowed() -> Denied:
    message = "The specified method is not allowed against this resource."
    return Denied(HTTPStatus.METHOD_NOT_ALLOWED, "MethodNotAllowed", message)


def unavailable() -> Denied:
    return Denied(HTTPStatus.SERVICE_UNAVAILABLE, "ServiceUnavailable", "Please try again.")
