"""The rim that speaks HTTP: a log served for reading, a witness served, and a client for both."""
