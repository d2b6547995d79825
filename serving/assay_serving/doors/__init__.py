"""The doors: one file is one protocol, its `install(app, desk)` adds the routes; what they share is `exchange`."""
