"""What the facts mean: clusters, attribution, exposure; each conclusion with its evidence."""
