"""The demo: a webhook process with a fresh key, CA and log, asked the questions that an API server would ask."""
