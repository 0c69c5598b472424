"""What the emulator answers instead of doing what it was asked."""

from __future__ import annotations

import grpc


class Refused(Exception):  # noqa: N818  an answer, not an error
    """Ends a call with a gRPC status; the text goes to the client."""

    def __init__(self, status: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.status = status


def invalid(message: str) -> Refused:
    return Refused(grpc.StatusCode.INVALID_ARGUMENT, message)


def missing(name: str) -> Refused:
    return Refused(grpc.StatusCode.NOT_FOUND, f"Resource not found (resource={name.rpartition('/')[2]}).")


def taken(name: str) -> Refused:
    return Refused(grpc.StatusCode.ALREADY_EXISTS, f"Resource already exists (resource={name.rpartition('/')[2]}).")


def full(message: str) -> Refused:
    return Refused(grpc.StatusCode.RESOURCE_EXHAUSTED, message)


def unknown(what: str) -> Refused:
    return Refused(grpc.StatusCode.UNIMPLEMENTED, f"the emulator does not know {what}")
