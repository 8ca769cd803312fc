"""The star schema that BI tools open."""
