"""Map a function over data on workers elsewhere: the Fastmap client library."""
