"""The telephony side: one Asterisk, driven through ARI, watched through AMI, read through its call records."""
