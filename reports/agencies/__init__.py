"""Agencies: one folder each, all alike inside."""
