"""Where the stages meet, and nowhere else: `make` goes forward from a recipe, `examine` looks at what there is."""
