"""Trials on a Dask cluster: how tars and tasks get to its workers, and answers back."""
