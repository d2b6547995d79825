"""The Ray Serve application that hosts a finalized model over HTTP."""
