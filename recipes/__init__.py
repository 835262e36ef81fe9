"""Recipes: YAML files with training options, which `--recipe NAME` of train_fcn.py starts from."""
