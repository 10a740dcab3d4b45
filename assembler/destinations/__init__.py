"""Destinations: where a finished image goes. What `layers` made is read; nothing is decided."""

from assembler.destinations.put import check_holders, check_outputs, put
from assembler.destinations.written import Written

__all__ = ["Written", "check_holders", "check_outputs", "put"]
