"""Fronts: companies without business of their own that hide who pays and who is paid, one file for each type."""
