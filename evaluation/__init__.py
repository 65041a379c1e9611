"""The parts that eval.py calls: metrics, running generated code, reports (chapter 3.1, step 5)."""
