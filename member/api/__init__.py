"""The HTTP API as both ends know it: the type of every answer and of every body, one file a topic.

Rule: types only. How a node makes an answer out of its state is in the file of the same name in `node/api`.
"""
