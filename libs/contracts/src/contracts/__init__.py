"""Facts that cross a boundary, one module per producing service: its events, and the bodies of its internal routes.

Models only grow by optional fields (spec 1.9); `docs/contracts/` holds the committed schemas that CI compares with.
"""
