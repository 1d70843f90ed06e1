"""The name of the variable that makes the metrics of several processes add up; has to be set before import."""

MULTIPROC = "PROMETHEUS_MULTIPROC_DIR"
