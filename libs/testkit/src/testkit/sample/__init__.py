"""A service of one table and two events, for tests of the floor itself."""
