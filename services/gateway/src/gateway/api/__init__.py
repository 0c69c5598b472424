"""The gateway's face: the chain of checks, and the few routes it answers itself."""
