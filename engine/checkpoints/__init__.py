"""Checkpoints: weights with their metadata."""

from engine.checkpoints.about import FORMAT_VERSION as FORMAT_VERSION
from engine.checkpoints.about import About as About
from engine.checkpoints.about import fill as fill
from engine.checkpoints.file import Checkpoint as Checkpoint
from engine.checkpoints.file import load as load
from engine.checkpoints.file import results_name as results_name
from engine.checkpoints.file import save as save
from engine.checkpoints.safetensors import save_safetensors as save_safetensors
from engine.checkpoints.weights import StateDict as StateDict
from engine.checkpoints.weights import find_weights as find_weights
from engine.checkpoints.weights import require_usable as require_usable
