"""What `/openapi.json` says of this server: each route describes itself (`route`), `document` puts it together."""
