"""One outside thing each: Redis, the processor that hashes passwords, the key files, the geocoder, the mail server."""
