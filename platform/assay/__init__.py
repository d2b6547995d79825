"""assay: from data to a served, watched model with one experiment file, on Ray."""
