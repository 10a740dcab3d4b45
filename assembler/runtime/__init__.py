"""Running programs in unpacked images, by whichever OCI runtime the machine has: what is run, where, and what came."""
