"""What is true: the lifecycle, the graph of a pipeline, retries, limits and refusals. Standard library only."""
