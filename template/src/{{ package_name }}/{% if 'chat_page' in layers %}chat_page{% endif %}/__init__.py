"""The chat page at `/`: a client of the API that runs in the browser."""
