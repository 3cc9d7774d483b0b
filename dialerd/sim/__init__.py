"""Fakes of the ports, each of which passes the contract suite of the port it stands for, and the simulator."""
