"""Fakes of the ports: each passes the contract suite of the port it stands for."""
