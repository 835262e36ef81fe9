"""KITTI Road: ground truth, bird's-eye view, data set, scoring and submission (Fritsch et al. 2013).

Nothing here imports torch but `dataset`, so that the tools that need none start at once.
"""
