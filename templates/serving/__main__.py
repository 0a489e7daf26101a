"""Where the server starts: a directory that Python is given by its path."""

import os
import sys

# Python puts this very directory there, where `logs` would be anybody's module.
sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

from mlflow_aip_serving import server  # noqa: E402

if __name__ == "__main__":
    sys.exit(server.main())
