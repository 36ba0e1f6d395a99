"""The way of one review: read, judged within its deadline, recorded, answered. No sockets here."""
