"""identity: users, sessions, stores, memberships and their standing."""
