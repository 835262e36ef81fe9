"""Pictures of predictions for the page: image, ground truth and prediction of each scene, small enough to embed."""
