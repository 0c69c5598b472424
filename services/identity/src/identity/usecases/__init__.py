"""What happens inside one transaction: load, decide, apply, emit."""
