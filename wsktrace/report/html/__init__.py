"""The report as one HTML file: report.py chooses what is shown, page.py and templates/ say how."""
