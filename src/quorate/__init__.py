"""Agreement you can run, watch and prove."""
