"""Questions about the faces in a photo or a video, answered from what is measured of them."""

from mien.jobs.ask.answer import Answer, Answerer, Answering
from mien.jobs.ask.run import ask, run_ask, run_batch

__all__ = ["Answer", "Answerer", "Answering", "ask", "run_ask", "run_batch"]
