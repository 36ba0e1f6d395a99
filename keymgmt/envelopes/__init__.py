"""What is sealed to a region: its bytes, how it is made, opened there, and moved to a newer key."""
