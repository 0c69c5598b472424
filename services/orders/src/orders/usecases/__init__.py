"""Load, decide, apply, emit: everything this service does inside one transaction."""
