"""The report that a person reads after scoring: report.html, its tables and pictures, curves."""
