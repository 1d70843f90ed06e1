"""Who a cluster is: tags become conclusions, with confidence, basis and conflicts."""
