"""What the wire sees of passwords."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from chassis.web import Body, Email
from identity.api.schemas import GivenPassword, NewPassword, View
from kernel.refusal import Invalid

OneTimeToken = Annotated[str, Field(min_length=1, max_length=256)]


class UpdatePasswordBody(Body):
    old_password: GivenPassword
    new_password: NewPassword

    @model_validator(mode="after")
    def _refuse_the_same(self) -> Self:
        """A temporary password would else become a lasting one."""
        if self.new_password == self.old_password:
            raise Invalid(message="the new password is the old one", details={"new_password": "is invalid"})
        return self


class ForgotPasswordBody(Body):
    email: Email


class ResetPasswordBody(Body):
    token: OneTimeToken
    password: NewPassword


class AcceptedView(View):
    """`reset_token` is there outside production only, while no letters go out."""

    status: Literal["accepted"] = "accepted"
    reset_token: str | None = None


class UpdatedView(View):
    status: Literal["updated"] = "updated"


class TemporaryPasswordView(View):
    """`temporary_password` is told once: a repeat of the request is answered without it."""

    temporary_password: str | None = None
    must_change_password: Literal[True] = True
