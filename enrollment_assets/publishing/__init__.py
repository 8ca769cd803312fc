"""What leaves the warehouse: reports, mail, alerts, exports, the web interface."""
