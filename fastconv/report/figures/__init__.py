"""Figures of a comparison, each for `page.Figure`.

bars        every algorithm's time on one layer, or a network's under each policy
tradeoff    time against error or workspace, with the algorithms that no other beats in both
roofline    speed against operations per byte, under the machine's measured peaks
winner_map  which algorithm wins, over channels and image size, a panel for each kind of kernel
ratios      time after over time before, layer by layer
"""
