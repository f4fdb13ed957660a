"""The course as a static site: every lesson as a page whose views live without a kernel."""
