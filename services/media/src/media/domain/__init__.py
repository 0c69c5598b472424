"""Values in, values out: kinds, states, what bytes are, what a notification says."""
