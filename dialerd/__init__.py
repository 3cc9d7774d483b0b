"""dialerd: outbound calling campaigns with AI voice agents on the user's own Asterisk."""

__version__ = "0.1.0"
