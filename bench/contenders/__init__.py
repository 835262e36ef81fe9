"""Programs that the benches run and time: reference tools, the original FCN8s repository, and ours in a bare form."""
