"""What the wire sees of identity."""

from datetime import date, datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo

from chassis.web import CLEAN, Body, Email, Name, PostalAddress, Text
from contracts.values import Address
from identity.clients.common_passwords import refuse_common
from identity.domain.people import PASSWORD_LENGTHS, Membership, User
from identity.domain.stores import RADIUS_METERS_MAX, Badge, OwnerDetail, Store
from identity.flows.signing_in import Applicant
from identity.queries import StoreDetail
from identity.usecases.accounts import Account, Application, Entered
from identity.usecases.standing import Override
from kernel.scope import Kyc, Role, StoreType, SystemRole


def _uncommon(password: str, field: ValidationInfo) -> str:
    refuse_common(password, field.field_name or "password")
    return password


CompanyName = Annotated[str, Field(min_length=1, max_length=200), CLEAN]
Phone = Annotated[str, Field(min_length=1, max_length=32), CLEAN]
NewPassword = Annotated[
    str, Field(min_length=PASSWORD_LENGTHS.start, max_length=PASSWORD_LENGTHS.stop - 1), AfterValidator(_uncommon)
]
"""A password being set."""

GivenPassword = Annotated[str, Field(min_length=1, max_length=1024)]
RefreshTokenText = Annotated[str, Field(min_length=1, max_length=256)]
Link = Annotated[str, Field(max_length=500, pattern=r"^https?://\S+$"), CLEAN]
Category = Annotated[str, Field(min_length=1, max_length=60), CLEAN]


class RegisterBody(Body):
    first_name: Name
    last_name: Name
    email: Email
    password: NewPassword
    phone: Phone | None = None
    company_name: CompanyName
    dba_name: CompanyName | None = None
    store_type: StoreType
    address: PostalAddress
    accept_tos: Literal[True]

    def applicant(self) -> Applicant:
        return Applicant(
            email=self.email,
            password=self.password,
            first_name=self.first_name,
            last_name=self.last_name,
            phone=self.phone,
        )

    def application(self, account: Account) -> Application:
        return Application(
            account=account,
            store_type=self.store_type,
            company_name=self.company_name,
            dba_name=self.dba_name,
            phone=self.phone,
            address=Address.model_validate(self.address.model_dump()),
        )


class LoginBody(Body):
    email: Email
    password: GivenPassword


class AdminRegisterBody(Body):
    email: Email
    password: NewPassword
    first_name: Name
    last_name: Name

    def applicant(self) -> Applicant:
        return Applicant(email=self.email, password=self.password, first_name=self.first_name, last_name=self.last_name)


class RefreshBody(Body):
    refresh_token: RefreshTokenText


class SwitchStoreBody(Body):
    store_id: UUID


class Social(Body):
    twitter: Link | None = None
    facebook: Link | None = None
    instagram: Link | None = None
    linkedin: Link | None = None
    youtube: Link | None = None
    website: Link | None = None


class ProfileBody(Body):
    """Only the fields that are there are set; null empties those that may be empty."""

    company_name: CompanyName = ""
    dba_name: CompanyName | None = None
    description: Text | None = None
    phone: Phone | None = None
    email: Email | None = None
    social: Social | None = None
    categories: Annotated[list[Category], Field(max_length=50)] | None = None
    logo_media_id: UUID | None = None
    banner_media_id: UUID | None = None
    delivery_radius_meters: Annotated[int, Field(strict=True, ge=0, le=RADIUS_METERS_MAX)] = 0

    def changes(self) -> dict[str, Any]:
        """Columns to set, by name."""
        given = self.model_dump(include=self.model_fields_set)
        if self.social is not None:
            given["social"] = self.social.model_dump(exclude_none=True)
        return given


Reason = Annotated[str, Field(min_length=1, max_length=1000), CLEAN]


class ReasonBody(Body):
    """For deeds of the house that only have to be explained."""

    reason: Reason


class StandingBody(Body):
    """The whole override, so that a forgotten field withdraws nothing by accident."""

    kyc_override: Literal["verified"] | None
    subscription_override: Literal["active"] | None
    until: date | None = None
    reason: Reason

    def override(self) -> Override:
        return Override(
            kyc_override=Kyc(self.kyc_override) if self.kyc_override else None,
            subscription_override=self.subscription_override,
            until=self.until,
            reason=self.reason,
        )


class View(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class UserView(View):
    id: UUID
    email: str
    first_name: str
    last_name: str
    phone: str | None
    is_active: bool
    last_login_at: datetime | None
    system_role: SystemRole | None
    created_at: datetime
    updated_at: datetime


class StoreChoice(View):
    """One store a signed-in user may switch to."""

    id: UUID
    name: str
    type: StoreType
    role: Role
    logo_url: str | None

    @classmethod
    def of(cls, membership: Membership) -> Self:
        return cls(id=membership.store_id, **membership.model_dump(exclude={"store_id"}))


class MembershipView(View):
    store_id: UUID
    name: str
    type: StoreType
    role: Role
    logo_url: str | None


class MembershipsView(View):
    items: list[MembershipView]


class RegisteredView(View):
    user: UserView
    stores: list[StoreChoice]
    active_store_id: UUID
    refresh_token: str

    @classmethod
    def of(cls, entered: Entered) -> Self:
        return cls.model_validate(_entered(entered), from_attributes=True)


class LoggedInView(View):
    stores: list[StoreChoice]
    active_store_id: UUID | None
    user: UserView
    must_change_password: bool
    refresh_token: str

    @classmethod
    def of(cls, entered: Entered) -> Self:
        return cls.model_validate({**_entered(entered), "must_change_password": entered.user.must_change_password})


class AdminLoggedInView(View):
    user: UserView
    refresh_token: str


class AdminView(View):
    user: UserView


class KeySet(View):
    """RFC 7517."""

    keys: list[dict[str, str]]


class StatusView(View):
    status: Literal["logged_out"]


class RefreshedView(View):
    access_token: str
    refresh_token: str


class SwitchedView(View):
    store: StoreChoice
    store_id: UUID
    store_name: str
    store_type: StoreType
    refresh_token: str


class LicenceNumber(View):
    number: str
    type: str


class PublicStoreView(View):
    """A store as anybody signed in may see it. `kyc_status` is the effective one."""

    id: UUID
    type: StoreType
    company_name: str
    dba_name: str | None
    description: str | None
    phone: str | None
    email: str | None
    kyc_status: Kyc
    delivery_radius_meters: int
    address: Address
    social: dict[str, str]
    logo_url: str | None
    banner_url: str | None
    logo_media_id: UUID | None
    banner_media_id: UUID | None
    ratings: dict[str, Any] | None
    categories: list[str]
    badge: Badge | None
    last_active_at: datetime | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, store: Store) -> Self:
        return cls.model_validate(_store(store))


class StoreView(PublicStoreView):
    """A store as its members and the house see it."""

    subscription_active: bool
    owner: UUID
    owner_detail: OwnerDetail
    provider_customer_id: str | None
    licenses: list[LicenceNumber]

    @classmethod
    def of_detail(cls, detail: StoreDetail) -> Self:
        store = detail.store
        return cls.model_validate(
            {
                **_store(store),
                "subscription_active": store.subscribed,
                "owner": store.owner_user_id,
                "owner_detail": detail.owner,
                "provider_customer_id": store.provider_customer_id if store.type is StoreType.VENDOR else None,
                "licenses": detail.licences,
            }
        )


def _entered(entered: Entered) -> dict[str, Any]:
    return {
        "user": _user(entered.user),
        "stores": [StoreChoice.of(membership) for membership in entered.memberships],
        "active_store_id": entered.signed.family.active_store_id,
        "refresh_token": entered.signed.refresh_token,
    }


def _user(user: User) -> UserView:
    return UserView.model_validate(user)


def _store(store: Store) -> dict[str, Any]:
    return {
        **store.model_dump(),
        "kyc_status": store.standing,
        "address": store.address,
        "social": store.social or {},
        "categories": store.categories or [],
    }
