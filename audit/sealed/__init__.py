"""What is sealed beside the log: the archive of inputs, and how a part of it is erased without breaking a proof."""
