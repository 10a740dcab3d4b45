"""Reports: what came of trials, what is in an image, how two images differ; as pages, tables and plots.

In: values of `experiments.results.files`, `pipeline.examine` and `pipeline.diff`. Out: bytes, the same for the same
value. A page is one file that asks for nothing else: styles and scripts stand beside these modules and are put into it.
"""
