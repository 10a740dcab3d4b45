"""What every other package stands on: errors, digests, in-root paths, contents, units, programs."""
