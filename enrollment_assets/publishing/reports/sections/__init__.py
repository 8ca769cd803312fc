"""The sections of a report: one module for the texts of each, beside one in templates/sections."""
