"""The only sockets of the clients.

`http` holds one kept-alive requests session for each endpoint: `answer`, `stream` and
`failure` are what comes of a call, `quick_response` reads its head, `download` resumes.
`websocket` is one websocket-client connection with a reading thread. `endpoint` and
`retries` are what both are told. May import `pilothouse.errors`, nothing else of
pilothouse. Only `http` imports requests, only `websocket` websocket-client.

Public: `pilothouse.transport.http.HttpPeer`, `pilothouse.transport.websocket.Socket`,
`pilothouse.transport.endpoint.Endpoint`, `pilothouse.transport.retries.Retries`.
"""
