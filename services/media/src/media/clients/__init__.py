"""One outside system each, with a fake twin that passes the same suite."""
