"""The log as processes hold it: opened from its state directory, run beside the webhook, given orders."""
