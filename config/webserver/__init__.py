"""The web server: uvicorn below, in as many processes as the machine has cores, and what it lacks for strangers.

A request takes a thread only once it has arrived whole, and gives it back before its answer has left: what a visitor
does slowly costs a connection, of which nobody has too many. See docs/decisions/0016-the-web-server.md.
"""
