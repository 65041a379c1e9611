"""What a person looks at after scoring: report.html, its tables and pictures, curves."""
