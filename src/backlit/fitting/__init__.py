"""From a table to a trained network in its run folder: plan, prepare, fit, go on."""

from backlit.fitting.fit import fit
from backlit.fitting.predict import predict
from backlit.fitting.resume import resume
from backlit.fitting.watcher import Watcher

__all__ = ["Watcher", "fit", "predict", "resume"]
