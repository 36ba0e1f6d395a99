"""Devices that pods ask for, how isolated they are, and what gets around that."""
