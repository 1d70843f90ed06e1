"""What the pipeline says of a world, held against what is true in it: run blind, score, report."""
