"""Results: what is known of trials, as values, as files, and compared."""
