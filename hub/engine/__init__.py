"""The durable engine: runs the jobs of workflows to the end, a checkpoint for each."""
