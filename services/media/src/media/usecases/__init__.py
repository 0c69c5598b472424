"""Load, decide, apply, emit."""
