"""Deciding: passes propose, the planner settles, and every decision can be explained."""
