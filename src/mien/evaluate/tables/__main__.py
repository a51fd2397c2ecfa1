import sys
from pathlib import Path

from mien.evaluate.tables import main

main(*map(Path, sys.argv[1:]))
