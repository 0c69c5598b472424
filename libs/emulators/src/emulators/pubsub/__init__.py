"""Google's Pub/Sub in the memory of one process."""
