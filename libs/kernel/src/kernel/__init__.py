"""Pure words every Packhouse service shares. No I/O and no dependencies: all of it is tested in microseconds."""
