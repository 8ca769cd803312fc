"""What every table is: its name, grain, columns and what it depends on."""
