"""The cluster and what is put into it: its API server, what is watched there, the rules in force, our registration."""
