"""The HTTP face: what machines talk to. It translates, and decides nothing."""
