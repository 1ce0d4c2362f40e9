"""Says of each file whether it is accepted, or which check refuses it and why."""

import sys
from pathlib import Path

from tests.vectors.proofs.runner.verify import failed_check, failed_standalone

package = Path(sys.argv[1]).read_bytes()
name, code = failed_standalone(Path(sys.argv[2]).read_bytes(), package) if sys.argv[2:] else failed_check(package)
print(f"refused by {name}: {code}" if name else "accepted")
sys.exit(1 if name else 0)
