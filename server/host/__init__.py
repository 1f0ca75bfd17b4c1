"""The server host: its processes, the proxy in front, enrolment, and the vectors beside Flower's messages; it trains and adds nothing."""
