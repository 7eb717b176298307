"""Amazon's services, as thin as they can be. boto3 is imported on first use: most cold starts do without it."""
