"""Programs that the benches run and time: reference tools, code of the original FCN8s repository, and ours."""
