"""Catalog in memory, for tests: the same answers as the real one, which the contract suite proves."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal
from uuid import UUID

from chassis.calls import CallContext
from chassis.ids import new_id
from contracts.catalog import (
    QuantityViolation,
    QuoteAnswer,
    QuotedItem,
    QuotedVendor,
    QuoteItem,
    QuoteRequest,
    RefusedReason,
    ReserveAnswer,
    ReserveCommand,
    ReservedLine,
    ReserveLine,
)
from contracts.values import VolumeDiscount, Warned
from kernel.money import percent_of, round_half_up
from kernel.refusal import NotFound, Unavailable


@dataclass(slots=True, kw_only=True)
class FakeVendor:
    id: UUID = field(default_factory=new_id)
    name: str
    hidden: bool = False


@dataclass(slots=True, kw_only=True)
class FakeProduct:
    """`tiers` maps the least quantity to its percentage."""

    id: UUID = field(default_factory=new_id)
    vendor: FakeVendor
    title: str
    price_cents: int
    available: int
    moq: int = 1
    max_qty: int = 0
    tiers: dict[int, Decimal] = field(default_factory=dict)
    active: bool = True


class FakeCatalog:
    """`away` makes it give no answer; `forgetful` makes a reserve take effect although its answer is lost.

    `meanwhile` is what happens elsewhere between the effect of a reserve and its answer, `after_quote` what happens
    once a quote is answered.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """An empty shop that answers."""
        self.products: dict[UUID, FakeProduct] = {}
        self.answers: dict[UUID, ReserveAnswer] = {}
        self.held: dict[UUID, int] = {}
        self.aborted: set[UUID] = set()
        self.away = False
        self.forgetful = False
        self.reserve_calls = 0
        self.meanwhile: Callable[[ReserveCommand], Awaitable[None]] | None = None
        self.after_quote: Callable[[], Awaitable[None]] | None = None

    def add(self, product: FakeProduct) -> FakeProduct:
        self.products[product.id] = product
        return product

    def release(self, line_ids: list[UUID]) -> None:
        """What catalog does when it hears that lines were given back."""
        for answer in self.answers.values():
            for line in answer.lines:
                if line.line_id in line_ids and line.line_id in self.held:
                    self.products[line.product_id].available += self.held.pop(line.line_id)

    async def quote(self, request: QuoteRequest, *, context: CallContext) -> QuoteAnswer:  # noqa: ARG002  a fake asks nobody
        self._answer_or_fail()
        if any(item.product_id not in self.products for item in request.items):
            raise NotFound
        items = [self._quoted(item, request.buyer_store_id) for item in request.items]
        vendors = {item.vendor_store_id: self._vendor(item.vendor_store_id) for item in request.items}
        if self.after_quote is not None:
            await self.after_quote()
        return QuoteAnswer(items=items, vendors=list(vendors.values()))

    async def reserve(self, command: ReserveCommand, *, context: CallContext) -> ReserveAnswer:  # noqa: ARG002  a fake asks nobody
        self._answer_or_fail()
        self.reserve_calls += 1
        answer = self.answers.get(command.checkout_id) or self._decided(command)
        if self.meanwhile is not None:
            await self.meanwhile(command)
        if self.forgetful:
            raise Unavailable("catalog")
        return answer

    def _answer_or_fail(self) -> None:
        if self.away:
            raise Unavailable("catalog")

    def _vendor(self, vendor_id: UUID) -> QuotedVendor:
        found = next((p.vendor for p in self.products.values() if p.vendor.id == vendor_id), None)
        hidden = found is None or found.hidden
        return QuotedVendor(
            vendor_store_id=vendor_id,
            vendor_store_name=found.name if found else "",
            status="invalid" if hidden else "ok",
            warnings=(VENDOR_INVALID,) if hidden else (),
        )

    def _quoted(self, item: QuoteItem, buyer_id: UUID) -> QuotedItem:
        product = self.products[item.product_id]
        wanted = max(item.quantity, product.moq)
        quantity = min(wanted, product.max_qty) if product.max_qty else wanted
        warnings = []
        if item.quantity < product.moq:
            warnings.append(
                Warned(type="clamped_to_moq", message=f"The quantity was raised to the minimum of {product.moq}.")
            )
        if quantity < wanted:
            text = f"The quantity was lowered to the maximum of {product.max_qty}."
            warnings.append(Warned(type="clamped_to_max", message=text))
        status, problem = _judged(product, item, quantity, buyer_id)
        return _priced(product, item, quantity, status, [*warnings, *problem])

    def _decided(self, command: ReserveCommand) -> ReserveAnswer:
        if command.checkout_id in self.aborted:
            return ReserveAnswer(outcome="aborted")
        violations = [found for line in command.lines for found in [self._violation(line)] if found]
        if violations:
            return ReserveAnswer(outcome="violated", violations=tuple(violations))
        answer = ReserveAnswer(outcome="decided", lines=tuple(self._reserved(line) for line in command.lines))
        self.answers[command.checkout_id] = answer
        return answer

    def _violation(self, line: ReserveLine) -> QuantityViolation | None:
        product = self.products[line.product_id]
        if line.qty < product.moq:
            required = product.moq
        elif product.max_qty and line.qty > product.max_qty:
            required = product.max_qty
        else:
            return None
        return QuantityViolation(
            product_id=product.id, product_name=product.title, required_qty=required, requested_qty=line.qty
        )

    def _reserved(self, line: ReserveLine) -> ReservedLine:
        """Nobody is told how much there is of what cannot be bought at all."""
        product = self.products[line.product_id]
        reason: RefusedReason | None = None
        if product.vendor.hidden:
            reason = "vendor_hidden"
        elif not product.active:
            reason = "product_inactive"
        elif product.available < line.qty:
            reason = "insufficient_inventory"
        else:
            product.available -= line.qty
            self.held[line.line_id] = line.qty
        return ReservedLine(
            line_id=line.line_id,
            product_id=line.product_id,
            vendor_store_id=line.vendor_store_id,
            reserved=reason is None,
            reason=reason,
            available_qty=0 if reason in {"vendor_hidden", "product_inactive"} else product.available,
        )


VENDOR_INVALID = Warned(type="vendor_invalid", message="This vendor cannot sell to your store.")

Status = Literal["ok", "not_available", "invalid"]


def _judged(product: FakeProduct, item: QuoteItem, quantity: int, buyer_id: UUID) -> tuple[Status, list[Warned]]:
    if product.vendor.id != item.vendor_store_id:
        return "invalid", [Warned(type="vendor_mismatch", message="This product belongs to another vendor.")]
    if product.vendor.id == buyer_id:
        return "invalid", [Warned(type="vendor_invalid", message="A store cannot buy its own products.")]
    if product.vendor.hidden:
        return "invalid", [VENDOR_INVALID]
    if not product.active or product.available < quantity:
        return "not_available", [
            Warned(type="not_available", message="This product is not available in this quantity.")
        ]
    return "ok", []


def _priced(product: FakeProduct, item: QuoteItem, quantity: int, status: Status, warnings: list[Warned]) -> QuotedItem:
    reached = [least for least in product.tiers if least <= quantity]
    percent = product.tiers[max(reached)] if reached else Decimal(0)
    subtotal = product.price_cents * quantity if status == "ok" else 0
    discount = percent_of(subtotal, percent)
    return QuotedItem(
        product_id=product.id,
        vendor_store_id=item.vendor_store_id,
        quantity=quantity,
        title=product.title,
        category="flower",
        unit="gram",
        moq=product.moq,
        max_qty=product.max_qty or None,
        unit_price_cents=product.price_cents if status == "ok" else 0,
        effective_unit_price_cents=round_half_up(Decimal(subtotal - discount) / quantity),
        discount_percent=percent if status == "ok" else Decimal(0),
        line_subtotal_cents=subtotal,
        line_discounts_cents=discount,
        line_total_cents=subtotal - discount,
        applied_volume_discount=VolumeDiscount(label=f"{percent}% off", amount_cents=discount) if discount else None,
        status=status,
        warnings=tuple(warnings),
    )
