"""What eval.py calls: metrics, the process that runs generated code, reports (chapter 3.1, step 5)."""
