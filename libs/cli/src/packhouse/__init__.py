"""`packhouse`: the local stack, the demo trade, seeds, and the operator's commands."""
