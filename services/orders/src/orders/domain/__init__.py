"""Rules of carts, checkouts and orders: values in, values out."""
