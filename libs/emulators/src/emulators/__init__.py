"""The cloud on a laptop: stand-ins for Google's Pub/Sub and Cloud Storage that Google's clients cannot tell apart."""
