"""What needs a transaction and something outside it: hashing a password before, showing a session's new state after."""
