"""Trials: recipes that differ in a key or two, what they share, who does the work, and what came of each."""
