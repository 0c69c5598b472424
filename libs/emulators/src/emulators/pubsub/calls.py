"""How a function of the broker becomes a method of a gRPC service. A method nobody offers is answered UNIMPLEMENTED."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc

from emulators.pubsub.refusals import Refused
from emulators.pubsub.wire import Message

Stream = Callable[[AsyncIterator[Message]], AsyncIterator[Message]]


def unary(answer: Callable[[Message], Message], request: Any, response: Any) -> grpc.RpcMethodHandler:
    async def answered(message: Message) -> Message:
        return answer(message)

    return waiting(answered, request, response)


def waiting(answer: Callable[[Message], Awaitable[Message]], request: Any, response: Any) -> grpc.RpcMethodHandler:
    """For an answer that may take its time."""

    async def method(message: Message, context: grpc.aio.ServicerContext) -> Message:
        try:
            return await answer(message)
        except Refused as refused:
            await context.abort(refused.status, str(refused))

    return grpc.unary_unary_rpc_method_handler(
        method, request_deserializer=request.FromString, response_serializer=response.SerializeToString
    )


def stream(answer: Stream, request: Any, response: Any) -> grpc.RpcMethodHandler:
    async def method(messages: AsyncIterator[Message], context: grpc.aio.ServicerContext) -> AsyncIterator[Message]:
        try:
            async for message in answer(messages):
                yield message
        except Refused as refused:
            await context.abort(refused.status, str(refused))

    return grpc.stream_stream_rpc_method_handler(
        method, request_deserializer=request.FromString, response_serializer=response.SerializeToString
    )
