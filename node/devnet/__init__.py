"""A whole network on one machine: validators as processes, real EVM chains with vaults, members who trade.

Rule: everything goes through the doors that users have (command line, HTTP API, the chains' own RPC); the devnet reads
no node's memory and writes no node's state. It ends every process it started, by its id, and leaves nothing behind but
its own folder.
"""
