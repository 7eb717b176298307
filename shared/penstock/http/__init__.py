"""HTTP, as this API speaks it: problems, conditions, replays, pages, and the resolver that holds them together."""
