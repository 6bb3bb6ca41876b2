"""Where the databases differ, and the only place where code may ask which one it is."""
