"""What people and loops ask of the store, a page for each noun. Nothing here writes."""
