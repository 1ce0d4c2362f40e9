"""`python -m tests.kit.node.dumping_cli` is `crossclear`, and dumps the stacks of its threads to its log on SIGUSR1."""

import faulthandler
import signal

if __name__ == "__main__":  # not in the worker processes that it starts
    faulthandler.register(signal.SIGUSR1)
    from cli.main import main

    main()
