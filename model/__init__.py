"""The equations: functions and modules of tensors. No files, no data sets, no globals (chapter 4.1)."""
