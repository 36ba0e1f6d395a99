"""The log on files, the embedded default: segments, one writer, one publisher, shards that commit to each other."""
