"""Files of stores, from the signed upload to the deletion (spec 3)."""
