"""Driving Buildroot: what it is asked for, what it says, and what it left undone."""
