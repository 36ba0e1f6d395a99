"""The node labeller: keeps the place label of nodes equal to what is believed of them, by one replica at a time."""
