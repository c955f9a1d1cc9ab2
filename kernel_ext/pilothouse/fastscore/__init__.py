"""The FastScore client library."""
