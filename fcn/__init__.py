"""Networks; they know torch and no benchmark.

The other names are those of the original FCN8s repository; they keep working.
"""

from engine.training.losses import FocalLoss
from fcn.compatibility import compute_batch_metrics, convert_trainid_mask, evaluate, train_one_epoch
from fcn.fcn import FCN8s

__all__ = ["FCN8s", "FocalLoss", "compute_batch_metrics", "convert_trainid_mask", "evaluate", "train_one_epoch"]
