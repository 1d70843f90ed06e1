"""What new labels and new blocks change of the stored vectors, and nothing else."""
