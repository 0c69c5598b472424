"""Load, decide, apply, emit. Every function takes an open transaction and never a client."""
