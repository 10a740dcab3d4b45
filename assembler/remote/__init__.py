"""Places that are reached over a network or a socket: registries by the distribution-spec, daemons by their API."""
