"""A durable replicated key-value service on a log that a protocol agrees on."""
