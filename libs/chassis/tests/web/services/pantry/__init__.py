"""A made-up service with one table behind real doors, for the tests of the floor."""
