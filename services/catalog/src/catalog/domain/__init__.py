"""Rules of goods, prices and stock: values in, values out."""
