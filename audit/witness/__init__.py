"""Witnesses: other regions that vouch for a log having only grown, and never see a record."""
