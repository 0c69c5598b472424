"""The one condition that decides what a buyer may see (spec 4.5), used by browse, detail, quote and reserve."""


def visible(*, state: str, buyer: str) -> str:
    """SQL that is true for a product `p` which a buyer store of that state may see and buy.

    `visible_in` is set only while the vendor is a verified, subscribed vendor store that is not deleted (`StoreView`),
    so the gate needs no join. The arguments are SQL: parameters or columns.
    """
    return f"p.visible_in = {state} and p.is_active and p.deleted_at is null and p.store_id <> {buyer}"
