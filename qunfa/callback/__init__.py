"""The receiver of WeChat's pushes."""
