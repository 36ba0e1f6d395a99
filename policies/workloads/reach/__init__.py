"""What is contacted: hosts, buckets, repositories, as addresses, flags, files and annotations name them."""
